//! What was scanned before and had nothing in it is not scanned again, and no report shows it.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::Path;
use std::sync::Arc;

use cryoscan::scan::{Cache, Prepared, Settings};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{self, CELL, HEAP};
use cryoscan_tests::scanned::{Files, Scanned, revealing, scan};
use cryoscan_tests::values;

/// With patterns of the user, of which one has no literal.
fn settings(threads: usize, window: u64) -> Settings {
    let grep = ["RANDOM_[0-9]+_KEY", "[0-9]{4}-[0-9]{4}"].map(str::to_owned).to_vec();
    Settings { threads, window, grep, ..revealing() }
}

fn empty() -> Arc<Cache> {
    let settings = settings(1, 1);
    let identity = Prepared::new(&settings).unwrap().identity(&settings, b"this test");
    Arc::new(Cache::new(identity, settings.memory))
}

fn cached(path: &Path, cache: &Arc<Cache>, settings: Settings) -> Scanned {
    scan(&[path], &Settings { cache: Some(Arc::clone(cache)), ..settings })
}

fn assert_same(found: &Scanned, expected: &Scanned, what: &str) {
    let pairs = found.lines.iter().zip(&expected.lines);
    for (found, expected) in pairs {
        assert!(
            found == expected,
            "{what}:\n  found    {found:.2000}\n  expected {expected:.2000}"
        );
    }
    assert_eq!(found.lines.len(), expected.lines.len(), "{what}");
}

/// How many bytes were known in a run.
fn known(cache: &Cache, run: impl FnOnce()) -> u64 {
    let before = cache.used().1;
    run();
    cache.used().1 - before
}

#[test]
fn no_report_depends_on_what_is_known() {
    let files = Files::new();
    let mut targets = vec![
        ("rich".to_owned(), files.add("rich.tar", &samples::rich().archive.tar())),
        ("soup".to_owned(), files.add("soup.tar.gz", &samples::soup(1).gzip())),
    ];
    for name in ["gosrv", "incremental", "kubelet-containerd", "tree"] {
        let archive = fixtures::folder().join(name).join("checkpoint.tar.zst");
        targets.push((name.to_owned(), archive));
    }
    // One for all targets: what is known of one holds in every other.
    let cache = empty();
    for (name, path) in &targets {
        let expected = scan(&[path], &settings(1, 4 << 20));
        for (threads, window) in [(2, 128 << 10), (1, 4 << 20), (2, 64 << 10), (1, 1 << 20)] {
            let what = format!("{name}, {threads} threads, windows of {window}");
            assert_same(&cached(path, &cache, settings(threads, window)), &expected, &what);
        }
    }
    let (asked, known) = cache.used();
    assert!(known > asked / 3, "{known} of {asked}");
    // And as it is read from a file.
    let mut bytes = Vec::new();
    cache.write(&mut bytes).unwrap();
    let own = settings(2, 1 << 20);
    let identity = Prepared::new(&own).unwrap().identity(&own, b"this test");
    let again = Arc::new(Cache::read(&mut bytes.as_slice(), identity, own.memory).unwrap());
    for (name, path) in &targets {
        let expected = scan(&[path], &own);
        assert_same(&cached(path, &again, own.clone()), &expected, &format!("{name}, from a file"));
    }
}

#[test]
fn rules_patterns_and_programs_have_a_cache_of_their_own() {
    let own = settings(1, 1);
    let of = |settings: &Settings, program: &[u8]| {
        Prepared::new(settings).unwrap().identity(settings, program)
    };
    let identity = of(&own, b"this test");
    assert_eq!(of(&settings(7, 1 << 20), b"this test"), identity);
    assert_ne!(of(&own, b"another"), identity);
    assert_ne!(
        of(&Settings { grep: vec!["x_[0-9]{4}".to_owned()], ..own }, b"this test"),
        identity
    );
}

fn dump(heap: Mapping) -> Vec<u8> {
    let process = Process::new(1, "again").map(heap);
    Archive::of(Producer::Runc, &Checkpoint::new().process(process)).tar()
}

#[test]
fn what_the_next_dump_changed_is_scanned() {
    let files = Files::new();
    let mut random = Random::new(31);
    let token = values::github_token(&mut random);
    let heap = || Mapping::noise(HEAP, usize::try_from(24 * CELL).unwrap(), 8);
    let cache = empty();
    let scan_both = |name: &str, heap: Mapping| {
        let path = files.add(name, &dump(heap));
        let expected = scan(&[&path], &settings(1, 1 << 20));
        let bytes = known(&cache, || {
            assert_same(&cached(&path, &cache, settings(1, 1 << 20)), &expected, name);
        });
        (expected.whole().holds(&token), bytes / CELL)
    };
    assert_eq!(scan_both("first.tar", heap()), (false, 0));
    assert_eq!(scan_both("again.tar", heap()), (false, 24));
    // Half of it in each of two cells: both and their neighbours are new.
    let across = HEAP + 12 * CELL - 13;
    assert_eq!(scan_both("changed.tar", heap().put(across, &token)), (true, 20));
    // The first half alone is nothing, and does not make the whole nothing.
    let half = token.get(..13).unwrap();
    assert!(!scan_both("half.tar", heap().put(across, half)).0);
    let (is_found, known) = scan_both("whole.tar", heap().put(across, &token));
    assert!(is_found && known >= 20, "{known}");
}

#[test]
fn each_copy_of_a_value_keeps_its_place() {
    let files = Files::new();
    let mut random = Random::new(32);
    let (token, pages) = (values::github_token(&mut random), usize::try_from(16 * CELL).unwrap());
    let mut checkpoint = Checkpoint::new();
    for pid in 1..5 {
        let heap = Mapping::noise(HEAP, pages, 9).put(HEAP + 5 * CELL + 77, &token);
        checkpoint = checkpoint.process(Process::new(pid, "worker").map(heap));
    }
    let path = files.add("forks.tar", &Archive::of(Producer::Podman, &checkpoint).tar());
    let expected = scan(&[&path], &settings(1, 1 << 20));
    assert_eq!(expected.whole().places(token.as_bytes()).len(), 4);
    for threads in [1, 2] {
        let cache = empty();
        let bytes = known(&cache, || {
            assert_same(&cached(&path, &cache, settings(threads, 1 << 20)), &expected, "forks");
        });
        // What one process has the others have too; threads may be at it at the same time.
        assert!(bytes > 0 && (threads > 1 || bytes == 3 * 15 * CELL), "{bytes:#x}");
    }
}
