//! Values of several kinds, planted in a live process in every surrounding, are found exactly and at
//! their addresses; and the dumper's images hold what the process held.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use cryoscan_tests::builder::BLOCK;
use cryoscan_tests::generated::{self, Plant, Verdict};
use cryoscan_tests::reader::Reader;
use cryoscan_tests::scanned::{Files, revealing, scan};
use cryoscan_tests::surroundings::Surrounding;

/// Fixed and open ends, checks, a text around it, lines, and bytes.
const KINDS: [&str; 8] = [
    "aws-access-key-id",
    "der-sec1",
    "gitlab-pat-routable",
    "http-basic-auth",
    "jwt",
    "npm-token",
    "pem-ec-sec1",
    "stripe-secret-key",
];

fn planted(seed: u64, archive: &Path) -> (Vec<Plant>, u32) {
    let of = |kind: &cryoscan_tests::kinds::Kind| KINDS.contains(&kind.id);
    let mut plants = generated::plan(&Surrounding::NATIVE, seed, &of);
    let plot = generated::plot(&plants, seed);
    let program = Path::new(env!("CARGO_BIN_EXE_generated"));
    let child = generated::start(program, None, &plot, Path::new("")).expect("a process");
    let pid = child.id();
    let dumped = generated::dump(child, &mut plants, archive).expect("a dump");
    assert_eq!((dumped.pids, dumped.unreadable), (vec![pid], 0));
    assert!(dumped.private > BLOCK as u64);
    (plants, pid)
}

#[test]
fn planted_values_are_found_in_every_surrounding() {
    let files = Files::new();
    let archive = files.add("dump.tar", b"");
    let (mut plants, _) = planted(20, &archive);
    let scanned = scan(&[&archive], &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    let astray = generated::compare(&scanned.lines.join("\n"), &mut plants).expect("a report");
    let missed: Vec<String> = plants
        .iter()
        .filter(|plant| !matches!(plant.verdict, Verdict::Exact(_)))
        .map(|plant| format!("{} in {:?}", plant.kind.id, plant.surrounding))
        .collect();
    assert_eq!(missed, Vec::<String>::new());
    assert!(astray.is_empty(), "{astray:?}");
    // Of eight kinds, one is of bytes and has no meaning in nine texts.
    assert!(plants.len() > KINDS.len() * Surrounding::NATIVE.len() - 9, "{}", plants.len());
}

#[test]
fn a_dump_holds_what_the_process_held() {
    let files = Files::new();
    let archive = files.add("dump.tar", b"");
    let (plants, pid) = planted(21, &archive);
    let reader = Reader::open_file(&archive).expect("images");
    for plant in &plants {
        assert!(!plant.at.is_empty(), "{} in {:?}", plant.kind.id, plant.surrounding);
        for (of, at) in &plant.at {
            let needle = plant.written.needle();
            assert_eq!(*of, pid);
            let held = reader.memory(pid, *at, needle.len());
            assert!(held.is_some_and(|held| held == needle), "{} at {at:#x}", plant.kind.id);
        }
        if plant.surrounding == Surrounding::PageEdge {
            let (_, at) = plant.at[0];
            let last = at + plant.written.needle().len() as u64 - 1;
            assert_ne!(at / 4096, last / 4096, "{}", plant.kind.id);
        }
    }
}

/// Values are of this run alone: another seed gives others.
#[test]
fn seeds_give_values_of_their_own() {
    let values = |seed| -> Vec<Vec<u8>> {
        let all = generated::plan(&[Surrounding::Nul], seed, &|kind| {
            kind.priority == 1 && !kind.id.contains("rsa")
        });
        all.iter().map(|plant| plant.made.value().to_vec()).collect()
    };
    let (one, two) = (values(1), values(2));
    assert_eq!(one, values(1));
    assert!(one.len() > 50 && one.iter().zip(&two).all(|(one, two)| one != two));
}
