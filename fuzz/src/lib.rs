//! Fuzz targets: each runs one decoder, or one way through several, over any bytes.
//!
//! A target never panics, whatever it is given; beside that it asserts what its decoder promises.
//! [`TARGETS`] lists them; [`drive`] runs one over its seeds and mutations of them, without any
//! tool; `src/libfuzzer.rs` hands them to libFuzzer. To add a target, write a file in `src/targets`
//! and a line in [`TARGETS`]; `tests/targets.rs` fails while an entry of one of the scanner's
//! registries is in the seeds of none.
#![forbid(unsafe_code)]

mod corpus;
mod files;
mod mutate;
mod scanning;
mod targets;

pub use corpus::{kept, pack};
pub use files::{Files, split};
pub use mutate::Mutator;
pub use targets::seeds;

/// One thing that any bytes may be handed to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it is about, in one line.
    pub about: &'static str,
    /// Runs it. A panic is a fault.
    pub run: fn(&[u8]),
    /// Inputs to start from, made afresh: one at least for each thing that it decodes.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations that CI tries: more for what is fast.
    pub rounds: u32,
}

/// Every target.
pub static TARGETS: &[Target] = &[
    targets::members::TARGET,
    targets::archive::TARGET,
    targets::images::TARGET,
    targets::memory::TARGET,
    targets::kernel::TARGET,
    targets::metadata::TARGET,
    targets::windows::TARGET,
    targets::checks::TARGET,
    targets::rules::TARGET,
    targets::text::TARGET,
    targets::reports::TARGET,
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs a target over its seeds, over what was kept of earlier runs, and over `rounds` mutations
/// of them; the same ones every time. Gives how many inputs that were. `before` sees each.
///
/// # Panics
/// When the target does.
pub fn drive(target: &Target, rounds: u32, mut before: impl FnMut(&[u8])) -> usize {
    let mut inputs = (target.seeds)();
    inputs.extend(kept(target.name));
    for input in &inputs {
        before(input);
        (target.run)(input);
    }
    let mut mutator = Mutator::new(&inputs, target.name);
    for _ in 0..rounds {
        let input = mutator.next_input();
        before(&input);
        (target.run)(&input);
    }
    inputs.len() + usize::try_from(rounds).unwrap_or(0)
}
