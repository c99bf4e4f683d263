//! The command `stormglass`: every command for the Restate-like cluster.

fn main() -> std::process::ExitCode {
    sim_restate::app().main()
}
