//! Matching over any memory: what is found does not depend on how it is cut into windows.

use cryoscan::scan::Settings;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};

use super::examples;
use crate::Target;
use crate::scanning::{file, settings};

pub(crate) const TARGET: Target = Target {
    name: "windows",
    about: "every rule over any memory and file: the same report for windows of every size",
    run,
    seeds,
    rounds: 120,
};

const CELL: u64 = 64 << 10;
const AT: u64 = 0x5555_0000_0000;
/// Bytes of an input that are used: it must fit between two borders.
const MOST: usize = 48 << 10;

/// The first two bytes say how far before a border of two windows the others lie.
fn run(data: &[u8]) {
    let Some((head, data)) = data.split_first_chunk::<2>() else { return };
    let data = data.get(..data.len().min(MOST)).unwrap_or_default();
    let before = u64::from(u16::from_le_bytes(*head)) % (data.len() as u64 + 1);
    let length = usize::try_from(3 * CELL).unwrap_or(0);
    let heap = Mapping::zero(AT, length).put(AT + CELL - before, data);
    let start = usize::try_from(CELL - before).unwrap_or(0);
    let log = [&vec![b'\n'; start], data, b"\n"].concat();
    let process = Process::new(1, "sh").map(heap);
    let archive = Archive::of(Producer::Runc, &Checkpoint::new().process(process));
    let tar = archive.rootfs_diff(&[("var/a.log", &log)], false).tar();
    let of = |window| {
        let scanned = file(&tar, &Settings { window, ..settings() });
        scanned.check();
        scanned.values
    };
    assert_eq!(of(CELL), of(4 << 20));
}

fn seeds() -> Vec<Vec<u8>> {
    let with = |before: u16, text: &[u8]| [&before.to_le_bytes(), text].concat();
    let mut seeds = Vec::new();
    for (index, (_, text, span)) in examples().into_iter().enumerate() {
        let middle = u16::try_from(span.start + span.len() / 2).unwrap_or(9);
        let padded = format!("\0\0{text}\0\0");
        if index % 2 == 0 {
            seeds.push(with(middle, padded.as_bytes()));
        } else {
            let wide: Vec<u8> = padded.encode_utf16().flat_map(u16::to_le_bytes).collect();
            seeds.push(with(middle.saturating_mul(2), &wide));
        }
    }
    seeds
}
