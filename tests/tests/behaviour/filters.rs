//! Filters: the report is the unfiltered one without the places that do not fit.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]
#![expect(clippy::single_range_in_vec_init, reason = "lists of ranges are meant")]

use std::collections::BTreeSet;

use cryoscan::checkpoint::{Filter, VmaKind};
use cryoscan::scan::{ScanError, Settings};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer, Segment};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::{Files, Scanned, address, revealing, scan, scan_pipe, shown};
use cryoscan_tests::values;
use serde_json::Value;

const HEAP: u64 = 0x5500_0000_0000;
const SHARED: u64 = 0x7000_0000_0000;

fn settings(filter: &Filter) -> Settings {
    Settings { max_places: 100_000, filter: filter.clone(), ..revealing() }
}

fn pids(pids: &[u32]) -> Filter {
    Filter { pids: pids.to_vec(), ..Filter::default() }
}

/// Rule, value and place of everything that was found and of which all places are shown.
fn places(scanned: &Scanned, known: Option<&BTreeSet<Vec<u8>>>) -> BTreeSet<(String, String)> {
    let part = scanned.whole();
    let findings = part.of("finding").filter_map(|it| Some((it, shown(it)?)));
    findings
        .filter(|(_, value)| known.is_none_or(|known| known.contains(value)))
        .flat_map(|(finding, value)| {
            let places = finding["places"].as_array().unwrap().iter();
            places.map(move |it| (String::from_utf8_lossy(&value).into_owned(), it.to_string()))
        })
        .collect()
}

/// Values of which every place is shown, and no place is anything but memory of one process.
fn whole_values(scanned: &Scanned) -> BTreeSet<Vec<u8>> {
    let part = scanned.whole();
    let whole = part.of("finding").filter(|it| it["places_omitted"] == 0);
    whole.filter_map(shown).collect()
}

fn fits(place: &Value, filter: &Filter) -> bool {
    let Some(pid) = place["pid"].as_u64() else { return false };
    let Some(at) = address(&place["address"]) else {
        // A memory file that no process maps is memory of whoever has it open.
        let has_process =
            filter.has_process(u32::try_from(pid).unwrap(), place["comm"].as_str(), None);
        return place["region"] == "memfd" && filter.is_of_processes() && has_process;
    };
    let kind = VmaKind::ALL.iter().find(|kind| place["vma"]["kind"] == kind.name());
    let prot = place["vma"]["prot"].as_str().unwrap_or_default();
    filter.has_process(u32::try_from(pid).unwrap(), place["comm"].as_str(), None)
        && filter.has_mapping(*kind.unwrap_or(&VmaKind::Other), prot)
        && (filter.addresses.is_empty() || filter.addresses.iter().any(|it| it.contains(&at)))
}

#[test]
fn real_checkpoints_give_what_fits_and_nothing_else() {
    let mut seen = 0;
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let name = fixture.truth.name.as_str();
        if !["matrix", "tree", "redis"].contains(&name) {
            continue;
        }
        let whole = scan(&[&fixture.archive], &settings(&Filter::default()));
        let known = whole_values(&whole);
        let all = places(&whole, Some(&known));
        let half: Vec<u64> = all
            .iter()
            .filter_map(|(_, place)| {
                address(&serde_json::from_str::<Value>(place).ok()?["address"])
            })
            .collect();
        let middle = half[half.len() / 2];
        for filter in [
            pids(&[1]),
            Filter { kinds: vec![VmaKind::Heap, VmaKind::Stack], ..Filter::default() },
            Filter { kinds: vec![VmaKind::Anonymous, VmaKind::Shared], ..Filter::default() },
            Filter { prots: vec!["wp".to_owned()], ..Filter::default() },
            // The place at `middle` begins inside, the end of its value lies outside.
            Filter { addresses: vec![0..middle + 1], ..Filter::default() },
        ] {
            let found = scan(&[&fixture.archive], &settings(&filter));
            if let Some((_, ScanError::NothingFits(_))) = found.outcome.failed.first() {
                continue;
            }
            assert_eq!(found.whole().faults(), Vec::<String>::new(), "{name} {filter}");
            let expected: BTreeSet<_> = all
                .iter()
                .filter(|(_, place)| fits(&serde_json::from_str(place).unwrap(), &filter))
                .cloned()
                .collect();
            seen += expected.len();
            let found_places = places(&found, Some(&known));
            let differ: Vec<&String> =
                found_places.symmetric_difference(&expected).map(|(_, place)| place).collect();
            assert!(differ.is_empty(), "{name} {filter}: {differ:?}");
            let total = |it: &Scanned| it.whole().of("coverage").next().unwrap()["total"].clone();
            assert_eq!(total(&found), total(&whole), "{name} {filter}");
            assert!(found.whole().skipped("excluded") > 0 && found.outcome.complete);
            let note = found.whole().of("coverage").next().unwrap()["notes"][0].clone();
            assert!(note.as_str().unwrap().contains(&filter.to_string()), "{note}");
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Two processes with a value each, a segment that both map, a file, and the values.
fn sample() -> (Archive, [String; 4]) {
    let mut random = Random::new(77);
    let tokens: [String; 4] = std::array::from_fn(|_| values::github_token(&mut random));
    let [first, second, shared, file] = &tokens;
    let process = |pid: u32, comm: &str, value: &String, offset: u64| {
        let heap = Mapping::noise(HEAP, 0x4_0000, pid.into()).put(HEAP + 0x1_0010, value);
        Process::new(pid, comm).map(heap).map_shared(SHARED + offset, 9, 0, 0x2000)
    };
    let content = Mapping::noise(0, 0x2000, 5).put(0x1040, shared);
    let checkpoint = Checkpoint::new()
        .process(process(1, "first", first, 0))
        .process(process(2, "second", second, 0x1000_0000).parent(1))
        .segment(Segment::anonymous(9, content));
    let archive = Archive::of(Producer::Podman, &checkpoint);
    (archive.rootfs_diff(&[("root/.npmrc", file.as_bytes())], false), tokens)
}

#[test]
fn no_order_or_cut_changes_what_fits() {
    let (archive, [first, second, shared, file]) = sample();
    let files = Files::new();
    for (filter, expected) in [
        (pids(&[1]), [true, false, true, false]),
        (
            Filter { names: vec!["sec*".to_owned()], ..Filter::default() },
            [false, true, true, false],
        ),
        (Filter { kinds: vec![VmaKind::Shared], ..Filter::default() }, [false, false, true, false]),
        (Filter { prots: vec!["rw".to_owned()], ..pids(&[2]) }, [false, true, true, false]),
        (
            Filter { addresses: vec![HEAP + 0x1_0000..HEAP + 0x1_0012], ..Filter::default() },
            [true, true, false, false],
        ),
    ] {
        let mut lines: Option<(String, String)> = None;
        for order in [Order::AsWritten, Order::Reversed, Order::Shuffled(4)] {
            let archive = archive.clone().order(order);
            let tar = files.add("target", &archive.tar());
            let settings = Settings { threads: 4, window: 64 << 10, ..settings(&filter) };
            let whole = scan(&[&tar], &settings);
            assert_eq!(whole.whole().faults(), Vec::<String>::new(), "{filter} {order:?}");
            for (value, expected) in [&first, &second, &shared, &file].into_iter().zip(expected) {
                assert_eq!(whole.whole().holds(value), expected, "{filter} {order:?}");
            }
            let piped = scan_pipe(&archive.tar(), &settings);
            let gzip = scan(&[&files.add("target.gz", &archive.gzip())], &settings);
            let of = |it: &Scanned| {
                let found = it.lines.iter().filter(|it| it.starts_with(r#"{"type":"finding""#));
                found.cloned().collect::<Vec<_>>().join("\n")
            };
            assert_eq!(of(&piped), of(&whole), "{filter} {order:?}, pipe");
            assert_eq!(of(&gzip), of(&whole), "{filter} {order:?}, gzip");
            let this = (of(&whole), whole.lines.last().unwrap().clone());
            assert_eq!(*lines.get_or_insert_with(|| this.clone()), this, "{filter} {order:?}");
        }
    }
}

#[test]
fn places_of_a_segment_are_those_of_the_processes_that_fit() {
    let (archive, [_, _, shared, _]) = sample();
    let files = Files::new();
    let path = files.add("target.tar", &archive.tar());
    let pids_of = |filter: &Filter| -> Vec<u64> {
        let found = scan(&[&path], &settings(filter));
        let places = found.whole().places(shared.as_bytes()).to_vec();
        places.iter().filter_map(|place| place["pid"].as_u64()).collect()
    };
    assert_eq!(pids_of(&Filter::default()), [1, 2]);
    assert_eq!(pids_of(&pids(&[2])), [2]);
}

#[test]
fn a_filter_that_nothing_fits_is_an_error_and_not_clean() {
    let (archive, _) = sample();
    let files = Files::new();
    let path = files.add("target.tar", &archive.tar());
    let found = scan(&[&path], &settings(&pids(&[99])));
    let error = found.whole().error.unwrap();
    assert_eq!(error.to_string(), "nothing fits --pid 99: no memory was scanned");
    assert!(!found.outcome.complete && found.outcome.findings.is_empty());
}
