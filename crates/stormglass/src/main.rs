//! The command `stormglass`, with the scenarios that are shipped.

fn main() -> std::process::ExitCode {
    stormglass::main(stormglass::scenarios())
}
