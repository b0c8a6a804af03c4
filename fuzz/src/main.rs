//! Runs targets without a fuzzer.
//!
//! - `cryoscan-fuzz`: every target over its seeds, what was kept, and mutations
//! - `cryoscan-fuzz TARGET [FILE…]`: one, over these inputs or as above
//! - `cryoscan-fuzz --rounds N …`: so many mutations of each
//! - `cryoscan-fuzz --seeds TARGET FOLDER`: writes what it starts from, one file an input
//! - `cryoscan-fuzz --keep TARGET FOLDER`: keeps the inputs in a folder for every later run
#![expect(clippy::disallowed_methods, reason = "small files of our own, or bounded by take")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

use cryoscan_fuzz::{TARGETS, Target, drive, kept, pack, target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cryoscan-fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> io::Result<()> {
    match arguments {
        ["--seeds", name, folder] => {
            fs::create_dir_all(folder)?;
            let target = named(name)?;
            for (index, input) in (target.seeds)().into_iter().chain(kept(name)).enumerate() {
                fs::write(Path::new(folder).join(format!("{index:05}")), input)?;
            }
            Ok(())
        }
        ["--keep", name, folder] => {
            let count = pack(named(name)?.name, Path::new(folder))?;
            println!("{name}: {count} inputs are kept");
            Ok(())
        }
        ["--rounds", rounds, rest @ ..] => {
            let rounds = rounds.parse().map_err(|_| io::Error::other("--rounds needs a number"))?;
            each(rest, Some(rounds))
        }
        [name, files @ ..] if !files.is_empty() => {
            let target = named(name)?;
            for file in files {
                (target.run)(&fs::read(file)?);
                println!("{file}: passed");
            }
            Ok(())
        }
        names => each(names, None),
    }
}

fn each(names: &[&str], rounds: Option<u32>) -> io::Result<()> {
    let chosen: Vec<&Target> = if names.is_empty() {
        TARGETS.iter().collect()
    } else {
        names.iter().map(|name| named(name)).collect::<io::Result<_>>()?
    };
    for target in chosen {
        let began = Instant::now();
        let last = std::env::temp_dir().join(format!("cryoscan-fuzz-{}", target.name));
        let inputs = drive(target, rounds.unwrap_or(target.rounds), |input| {
            // A fault of the target ends the program: the last input is its.
            fs::write(&last, input).unwrap_or_default();
        });
        fs::remove_file(&last).unwrap_or_default();
        let seconds = began.elapsed().as_secs_f64();
        println!("{:10} {inputs} inputs in {seconds:.1} s", target.name);
    }
    Ok(())
}

fn named(name: &str) -> io::Result<&'static Target> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let error = || io::Error::other(format!("no target {name}; there are: {}", names.join(" ")));
    target(name).ok_or_else(error)
}
