//! The command line program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cryoscan::cli::run(std::env::args_os())
}
