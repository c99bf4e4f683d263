//! Prints the table real against simulated that `docs/fidelity.md` keeps.

fn main() {
    print!("{}", stormglass_cluster::fidelity::table(&stormglass_cluster::fidelity::compare(200)));
}
