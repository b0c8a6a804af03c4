//! Incremental dumps: memory is put together from a dump and its parents, and what parents alone
//! have is told apart.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::os::unix::fs::symlink;
use std::path::Path;

use cryoscan::limits::Limits;
use cryoscan::scan::Settings;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer, Segment};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::HEAP;
use cryoscan_tests::scanned::{Files, Part, Scanned, revealing, scan, scan_bytes, scan_pipe};
use cryoscan_tests::values;

const PAGE: u64 = 0x1000;

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

fn heap() -> Mapping {
    Mapping::noise(HEAP, 0x1_0000, 1)
}

fn java(heap: Mapping) -> Checkpoint {
    Checkpoint::new().process(Process::new(7, "java").map(heap))
}

/// Dumps of a heap, the oldest first: `images/1`, `images/2` and so on, of which the last is no
/// pre-dump.
fn chain(times: &[Mapping]) -> Archive {
    let dumps = times.iter().enumerate().map(|(index, heap)| {
        let before = index.checked_sub(1).and_then(|before| times.get(before));
        java(before.map_or_else(|| heap.clone(), |before| heap.clone().since(before)))
    });
    chain_of(dumps.collect())
}

fn chain_of(dumps: Vec<Checkpoint>) -> Archive {
    let last = dumps.len();
    let mut archive = Archive::default();
    for (number, dump) in (1..).zip(dumps) {
        let dump = if number < last { dump.pre_dump() } else { dump };
        archive = archive.images(&format!("images/{number}/"), &dump);
        if number > 1 {
            archive =
                archive.link(&format!("images/{number}/parent"), &format!("../{}", number - 1));
        }
    }
    archive
}

/// All of a report but the first two records, which tell of the form.
fn body(scanned: &Scanned) -> String {
    let is_body = |line: &&String| !line.starts_with(r#"{"type":"checkpoint""#);
    let lines: Vec<&str> =
        scanned.lines.iter().skip(1).filter(is_body).map(String::as_str).collect();
    lines.join("\n")
}

/// The report on an archive, which is the same in every form and order.
fn each_form(archive: &Archive) -> Scanned {
    let whole = scan_bytes(&archive.tar(), &revealing());
    assert_eq!(whole.whole().faults(), Vec::<String>::new());
    assert_eq!(whole.whole().of("checkpoint").count(), 1, "one checkpoint of several dumps");
    let stored: u64 = archive.files().map(|(_, bytes)| bytes.len() as u64).sum();
    let total = whole.whole().of("coverage").next().unwrap()["total"].as_u64().unwrap();
    let missing = whole.whole().skipped("parent-missing");
    let is_packed = total != stored + missing;
    let inventory = |(name, bytes): (&str, &[u8])| {
        name.ends_with("inventory.img") && bytes.windows(2).any(|pair| pair == [0x08, 0x03])
    };
    assert!(!is_packed || archive.files().any(inventory), "{total} of {stored} and {missing}");
    let reversed = archive.clone().order(Order::Reversed);
    let shuffled = archive.clone().order(Order::Shuffled(3));
    let folder = archive.folder();
    for (form, scanned) in [
        ("zstd", scan_bytes(&archive.zstd(), &revealing())),
        ("pipe", scan_pipe(&archive.tar(), &revealing())),
        ("folder", scan(&[folder.path()], &revealing())),
        ("reversed", scan_bytes(&reversed.tar(), &revealing())),
        ("reversed zstd", scan_bytes(&reversed.zstd(), &revealing())),
        ("shuffled zstd", scan_bytes(&shuffled.zstd(), &revealing())),
        ("shuffled pipe", scan_pipe(&shuffled.gzip(), &revealing())),
    ] {
        let (found, expected) = (body(&scanned), body(&whole));
        let pair = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert_eq!(pair, None, "{form}");
        assert_eq!(found.len(), expected.len(), "{form}");
    }
    let small = Settings { threads: 3, window: 64 << 10, ..revealing() };
    assert_eq!(body(&scan_bytes(&archive.tar(), &small)), body(&whole), "small windows");
    whole
}

/// The only place of a value: address, dump, and whether it was superseded.
fn assert_at(part: Part<'_>, value: &str, at: u64, dump: u32, superseded: bool) {
    let places = part.places(value.as_bytes());
    assert_eq!(places.len(), 1, "{places:?}");
    let place = &places[0];
    assert_eq!((&place["pid"], &place["address"]), (&7.into(), &format!("{at:#x}").into()));
    assert_eq!(place["image"], format!("images/{dump}/pages-1.img"));
    assert_eq!(place["superseded"].as_bool().unwrap_or_default(), superseded, "{place}");
    assert_eq!(part.finding(value.as_bytes()).unwrap()["count"], 1);
}

#[test]
fn halves_in_parent_and_child_are_joined() {
    let (first, second) = (token(1), token(2));
    let cut = |value: &str, at| {
        let (left, right) = value.split_at(at);
        (left.to_owned(), right.to_owned())
    };
    let ((left, right), (other_left, other_right)) = (cut(&first, 20), cut(&second, 33));
    // One goes from the parent's page into the child's, the other one comes from there.
    let before = heap().put(HEAP + 2 * PAGE - 20, &left).put(HEAP + 5 * PAGE, &other_right);
    let after = before.clone().put(HEAP + 2 * PAGE, right).put(HEAP + 5 * PAGE - 33, other_left);
    let scanned = each_form(&chain(&[before, after]));
    let part = scanned.whole();
    assert_at(part, &first, HEAP + 2 * PAGE - 20, 1, false);
    assert_eq!(part.places(first.as_bytes())[0]["offset"], 2 * PAGE - 20);
    assert_at(part, &second, HEAP + 5 * PAGE - 33, 2, false);
    // The second page that the child itself has.
    assert_eq!(part.places(second.as_bytes())[0]["offset"], 2 * PAGE - 33);
    assert_eq!(part.of("diagnostic").count(), 0);
    assert!(scanned.outcome.complete);
}

#[test]
fn what_a_child_superseded_is_older_evidence() {
    let [old, new, kept, torn, inside, gone, same] = [11, 12, 13, 14, 15, 16, 17].map(token);
    let before = heap()
        .put(HEAP + 3 * PAGE + 8, &old)
        .put(HEAP + 4 * PAGE + 8, &kept)
        .put(HEAP + 6 * PAGE - 7, &torn)
        .put(HEAP + 6 * PAGE + 0x100, &inside)
        .put(HEAP + 8 * PAGE + 0x100, &same)
        .put(HEAP + 8 * PAGE + 0x200, "earlier");
    let after = before
        .clone()
        .put(HEAP + 3 * PAGE + 8, &new)
        .put(HEAP + 6 * PAGE - 7, "xxxxxxx")
        .put(HEAP + 8 * PAGE + 0x200, "later");
    let unmapped = Mapping::noise(2 * HEAP, 0x2000, 5).put(2 * HEAP + 0x700, &gone);
    let first =
        Checkpoint::new().process(Process::new(7, "java").map(before.clone()).map(unmapped));
    let scanned = each_form(&chain_of(vec![first, java(after.since(&before))]));
    let part = scanned.whole();
    assert_at(part, &old, HEAP + 3 * PAGE + 8, 1, true);
    assert_at(part, &new, HEAP + 3 * PAGE + 8, 2, false);
    assert_at(part, &kept, HEAP + 4 * PAGE + 8, 1, false);
    // It begins in a page that was superseded and ends in one that was not; nothing of the second is
    // told twice.
    assert_at(part, &torn, HEAP + 6 * PAGE - 7, 1, true);
    assert_at(part, &inside, HEAP + 6 * PAGE + 0x100, 1, false);
    // Its page was written, but not where it lies: it is there still.
    assert_at(part, &same, HEAP + 8 * PAGE + 0x100, 2, false);
    assert_at(part, &gone, 2 * HEAP + 0x700, 1, true);
    assert!(part.places(gone.as_bytes())[0]["vma"].is_null(), "no mapping is there now");
}

#[test]
fn halves_that_were_never_there_at_one_time_are_not_joined() {
    let value = token(21);
    let (left, right) = value.split_at(20);
    let blank = "x".repeat(40);
    let before = heap().put(HEAP + 2 * PAGE - 20, left).put(HEAP + 2 * PAGE, &blank);
    // The first half is overwritten when the second one appears.
    let after = before.clone().put(HEAP + 2 * PAGE - 40, &blank).put(HEAP + 2 * PAGE, right);
    let scanned = each_form(&chain(&[before, after]));
    assert_eq!(scanned.whole().of("finding").count(), 0);
}

#[test]
fn a_chain_of_three_is_followed_to_its_end() {
    let [whole, middle, oldest, torn] = [31, 32, 33, 34].map(token);
    let (left, right) = whole.split_at(10);
    let first = heap()
        .put(HEAP + 2 * PAGE - 10, left)
        .put(HEAP + 8 * PAGE + 5, &oldest)
        .put(HEAP + 12 * PAGE - 5, &torn);
    let second = first.clone().put(HEAP + 8 * PAGE + 5, &middle).put(HEAP + 12 * PAGE - 5, "xxxxx");
    let third = second.clone().put(HEAP + 2 * PAGE, right).put(HEAP + 8 * PAGE + 5, "x".repeat(40));
    let scanned = each_form(&chain(&[first, second, third]));
    let part = scanned.whole();
    assert_at(part, &whole, HEAP + 2 * PAGE - 10, 1, false);
    assert_at(part, &middle, HEAP + 8 * PAGE + 5, 2, true);
    assert_at(part, &oldest, HEAP + 8 * PAGE + 5, 1, true);
    assert_at(part, &torn, HEAP + 12 * PAGE - 5, 1, true);
}

#[test]
fn dumps_may_be_compressed_in_different_ways() {
    let [whole, old] = [41, 42].map(token);
    let (left, right) = whole.split_at(15);
    let before = heap().put(HEAP + 6 * PAGE - 15, left).put(HEAP + 9 * PAGE + 9, &old);
    let after = before.clone().put(HEAP + 6 * PAGE, right).put(HEAP + 9 * PAGE + 9, "x".repeat(40));
    for (parent, child) in
        [(Some(1), None), (Some(4), Some(1)), (None, Some(16)), (Some(16), Some(4))]
    {
        let pack = |dump: Checkpoint, pages: Option<u32>| match pages {
            Some(pages) => dump.compressed(pages),
            None => dump,
        };
        let dumps = vec![
            pack(java(before.clone()), parent),
            pack(java(after.clone().since(&before)), child),
        ];
        let scanned = each_form(&chain_of(dumps));
        assert_at(scanned.whole(), &whole, HEAP + 6 * PAGE - 15, 1, false);
        assert_at(scanned.whole(), &old, HEAP + 9 * PAGE + 9, 1, true);
        assert_eq!(scanned.whole().of("diagnostic").count(), 0);
    }
}

#[test]
fn shared_memory_has_parents_too() {
    let [whole, old] = [51, 52].map(token);
    let (left, right) = whole.split_at(15);
    let before = Mapping::noise(0, 0x4000, 9).put(2 * PAGE - 15, left).put(3 * PAGE + 9, &old);
    let after = before.clone().put(2 * PAGE, right).put(3 * PAGE + 9, "x".repeat(40));
    let dump = |content: Mapping| {
        Checkpoint::new()
            .segment(Segment::memfd(9, "/dev/zero", content))
            .process(Process::new(7, "java").map_shared(HEAP, 9, 0, 0x4000))
            .process(Process::new(8, "java").map_shared(2 * HEAP, 9, 0, 0x4000))
    };
    let scanned = each_form(&chain_of(vec![dump(before.clone()), dump(after.since(&before))]));
    let part = scanned.whole();
    for (value, at, superseded) in [(&whole, 2 * PAGE - 15, false), (&old, 3 * PAGE + 9, true)] {
        let places = part.places(value.as_bytes());
        let found: Vec<_> = places
            .iter()
            .map(|place| (place["pid"].as_u64(), place["address"].as_str().unwrap().to_owned()))
            .collect();
        let expected = [(Some(7), HEAP + at), (Some(8), 2 * HEAP + at)];
        assert_eq!(found, expected.map(|(pid, at)| (pid, format!("{at:#x}"))));
        let is_old = |place: &serde_json::Value| place["superseded"].as_bool().unwrap_or_default();
        assert!(places.iter().all(|place| is_old(place) == superseded), "{places:?}");
        assert_eq!(part.finding(value.as_bytes()).unwrap()["count"], 1);
    }
}

#[test]
fn pages_that_were_deduplicated_are_zeros() {
    let kept = token(61);
    let before = heap().put(HEAP + PAGE, &kept);
    let after = before.clone().put(HEAP + 4 * PAGE, "x").put(HEAP + 5 * PAGE, "x");
    // CRIU punches holes where the child has newer pages; the length stays.
    let (parent, child) = (java(before.clone()), java(after.since(&before)));
    let mut pages =
        parent.image_set().into_iter().find(|(name, _)| name == "pages-1.img").unwrap().1;
    pages[0x4000..0x6000].fill(0);
    let scanned = each_form(&chain_of(vec![parent.file("pages-1.img", pages), child]));
    assert_at(scanned.whole(), &kept, HEAP + PAGE, 1, false);
    assert_eq!(scanned.whole().skipped("zero-page"), 2 * PAGE);
    assert!(scanned.outcome.complete);
}

#[test]
fn what_a_parent_lacks_is_told() {
    let value = token(71);
    let (left, right) = value.split_at(20);
    let before = heap().put(HEAP + 2 * PAGE - 20, left).absent(HEAP + 9 * PAGE);
    let after = heap()
        .put(HEAP + 2 * PAGE - 20, left)
        .put(HEAP + 2 * PAGE, right)
        .in_parent(HEAP + PAGE)
        .in_parent(HEAP + 9 * PAGE);
    let scanned = each_form(&chain_of(vec![java(before), java(after)]));
    let part = scanned.whole();
    assert_at(part, &value, HEAP + 2 * PAGE - 20, 1, false);
    assert_eq!(part.skipped("parent-missing"), PAGE);
    let told = part.notes("parent-missing").next().unwrap();
    assert_eq!(
        (&told["level"], &told["member"]),
        (&"error".into(), &"images/2/pages-1.img".into())
    );
    // A lazy page of the parent is none that the child has lost.
    let before = heap().lazy(HEAP + 9 * PAGE, false);
    let after = heap().in_parent(HEAP + 9 * PAGE);
    let scanned = each_form_with_gaps(&chain_of(vec![java(before), java(after)]));
    assert_eq!(
        (scanned.whole().skipped("lazy"), scanned.whole().skipped("parent-missing")),
        (PAGE, 0)
    );
}

/// As `each_form`, of an archive that lacks pages otherwise than its parents.
fn each_form_with_gaps(archive: &Archive) -> Scanned {
    let whole = scan_bytes(&archive.tar(), &revealing());
    assert_eq!(whole.whole().faults(), Vec::<String>::new());
    assert_eq!(body(&scan_bytes(&archive.zstd(), &revealing())), body(&whole));
    assert_eq!(body(&scan_pipe(&archive.tar(), &revealing())), body(&whole));
    whole
}

#[test]
fn links_that_lead_nowhere_cost_only_what_lies_there() {
    let (there, elsewhere) = (token(81), token(82));
    let heap = heap().put(HEAP + 0x100, &there).put(HEAP + PAGE, &elsewhere).in_parent(HEAP + PAGE);
    for (link, words) in [
        ("/images/1", "absolute"),
        ("../2", "leads back"),
        ("..", "not in the target"),
        ("../../1", "not in the target"),
        ("../3", "not in the target"),
        (".", "leads back"),
    ] {
        // What is really there is not what the link says.
        let archive = Archive::default()
            .images("images/2/", &java(heap.clone()))
            .member("images/1.txt", "no dump");
        let archive = archive.link("images/2/parent", link);
        let scanned = each_form(&archive);
        let part = scanned.whole();
        assert!(part.holds(&there) && !part.holds(&elsewhere));
        assert_eq!(part.skipped("parent-missing"), PAGE);
        let note = part.notes("parent-missing").next().unwrap();
        assert!(note["message"].as_str().unwrap().contains(words), "{note}");
    }
}

#[test]
fn dumps_in_a_circle_are_read_once() {
    let (first, second) = (token(91), token(92));
    let dump =
        |value: &str| java(heap().put(HEAP + 0x100, value).in_parent(HEAP + 5 * PAGE)).pre_dump();
    let archive = Archive::default()
        .images("1/", &dump(&first))
        .link("1/parent", "../2")
        .images("2/", &dump(&second))
        .link("2/parent", "../1");
    let scanned = each_form(&archive);
    let part = scanned.whole();
    assert!(part.holds(&first) && part.holds(&second));
    assert_eq!(part.skipped("parent-missing"), PAGE);
    assert!(
        part.notes("parent-missing").next().unwrap()["message"].as_str().unwrap().contains("back")
    );
}

#[test]
fn a_chain_longer_than_any_is_bounded() {
    let dumps = (0..70).map(|_| {
        let mapping = Mapping::noise(HEAP, 0x2000, 1).in_parent(HEAP);
        java(mapping)
    });
    let scanned = scan_bytes(&chain_of(dumps.collect()).tar(), &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    // What no dump has is missing, once in each of the two chains that this is.
    assert_eq!(scanned.whole().skipped("parent-missing"), 2 * PAGE);
    assert_eq!(scanned.whole().of("checkpoint").count(), 2);
}

/// podman's two archives: `--pre-checkpoint`, then `--with-previous`.
fn podman_pair(values: &[&str; 3]) -> (Archive, Archive) {
    let [torn, old, kept] = values;
    let (left, right) = torn.split_at(20);
    let before = heap()
        .put(HEAP + 2 * PAGE - 20, left)
        .put(HEAP + 4 * PAGE + 8, old)
        .put(HEAP + 5 * PAGE + 8, kept);
    let after = before.clone().put(HEAP + 2 * PAGE, right).put(HEAP + 4 * PAGE + 8, "x".repeat(40));
    let child = java(after.since(&before));
    let pre = Archive::of(Producer::Podman, &java(before.clone()));
    let mut moved = Archive::default().images("pre-checkpoint/", &java(before).pre_dump());
    for (name, bytes) in pre.files().filter(|(name, _)| !name.starts_with("checkpoint/")) {
        moved = moved.member(name, bytes);
    }
    let child =
        Archive::of(Producer::Podman, &child).link("checkpoint/parent", "../pre-checkpoint");
    (moved, child)
}

#[test]
fn a_pre_checkpoint_in_another_target_is_found() {
    let [torn, old, kept] = [101, 102, 103].map(token);
    let (pre, child) = podman_pair(&[&torn, &old, &kept]);
    for packed in [false, true] {
        let bytes = |archive: &Archive| if packed { archive.zstd() } else { archive.tar() };
        let files = Files::new();
        let pre = files.add("b/pre.tar", &bytes(&pre));
        let child = files.add("b/checkpoint.tar", &bytes(&child));
        let folder = files.add("b/x", b"").parent().unwrap().to_owned();
        std::fs::remove_file(folder.join("x")).unwrap();
        for paths in [[&*pre, &*child], [&*child, &*pre]] {
            let scanned = scan(&paths, &revealing());
            assert!(scanned.outcome.complete, "{:?}", scanned.lines);
            for (path, part) in paths.iter().zip(scanned.parts(&paths)) {
                assert_eq!(part.faults(), Vec::<String>::new());
                assert_eq!(part.of("checkpoint").count(), 1);
                assert!(part.holds(&kept));
                if *path == pre {
                    // The pre-checkpoint is a checkpoint too: what it held then.
                    assert!(part.holds(&old) && !part.holds(&torn));
                    continue;
                }
                assert!(part.holds(&torn) && !part.holds(&old));
                assert_eq!(part.skipped("parent-missing"), 0);
                let place = &part.places(torn.as_bytes())[0];
                let image = format!("{}!pre-checkpoint/pages-1.img", pre.display());
                assert_eq!(place["address"], format!("{:#x}", HEAP + 2 * PAGE - 20));
                assert_eq!(
                    (&place["image"], &place["offset"]),
                    (&image.into(), &(2 * PAGE - 20).into())
                );
            }
        }
        let scanned = scan(&[&folder], &revealing());
        assert!(scanned.outcome.complete && scanned.outcome.checkpoints == 2);
        // Alone it says what to do.
        let scanned = scan(&[&child], &revealing());
        let part = scanned.whole();
        assert!(part.skipped("parent-missing") > 0 && !part.holds(&torn));
        let note = part.notes("parent-missing").next().unwrap();
        assert!(
            note["message"].as_str().unwrap().contains("cryoscan scan PRE CHECKPOINT"),
            "{note}"
        );
    }
}

#[test]
fn a_dump_of_another_container_is_no_parent() {
    let [torn, old, kept] = [111, 112, 113].map(token);
    let (pre, child) = podman_pair(&[&torn, &old, &kept]);
    let files = Files::new();
    let mut other = Archive::default();
    for (name, bytes) in pre.files() {
        let bytes = if name == "config.dump" { br#"{"id":"0"}"#.to_vec() } else { bytes.to_vec() };
        other = other.member(name, bytes);
    }
    let other = files.add("pre.tar", &other.tar());
    let child = files.add("checkpoint.tar", &child.tar());
    let scanned = scan(&[&other, &child], &revealing());
    let paths: [&Path; 2] = [&other, &child];
    let parts = scanned.parts(&paths);
    assert!(parts[1].skipped("parent-missing") > 0 && !parts[1].holds(&torn));
}

#[test]
fn a_folder_of_images_has_its_parent_beside_it() {
    let [whole, old, secret] = [121, 122, 123].map(token);
    let (left, right) = whole.split_at(20);
    let before = heap().put(HEAP + 2 * PAGE - 20, left).put(HEAP + 4 * PAGE + 8, &old);
    let after = before.clone().put(HEAP + 2 * PAGE, right).put(HEAP + 4 * PAGE + 8, "x".repeat(40));
    let folder = chain(&[before, after])
        .member("images/1/notes.txt", secret.as_bytes())
        .member("images/1/sub/pages-1.img", secret.as_bytes())
        .folder();
    let target = folder.path().join("images/2");
    let scanned = scan(&[&target], &revealing());
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    let place = &part.places(whole.as_bytes())[0];
    assert_eq!(
        (&place["image"], &place["offset"]),
        (&"parent/pages-1.img".into(), &(2 * PAGE - 20).into())
    );
    assert_eq!(part.places(old.as_bytes())[0]["superseded"], true);
    assert_eq!(part.notes("parent-followed").count(), 1);
    assert_eq!(part.of("checkpoint").count(), 1);
    // Of the other folder only the images of memory are read.
    assert!(!part.holds(&secret) && scanned.outcome.complete);
    // Named too, it is a checkpoint of its own, and nothing is counted twice.
    let parent = folder.path().join("images/1");
    let both = scan(&[&parent, &target], &revealing());
    let paths: [&Path; 2] = [&parent, &target];
    let parts = both.parts(&paths);
    assert!(parts[0].holds(&old) && parts[1].holds(&whole) && !parts[1].holds(&old));
    let image = format!("{}/pages-1.img", parent.display());
    assert_eq!(parts[1].places(whole.as_bytes())[0]["image"], image);
    assert_eq!(parts[1].faults(), Vec::<String>::new());
}

#[test]
fn links_out_of_a_folder_lead_to_image_sets_beside_it_only() {
    let secret = token(131);
    let child = java(heap().in_parent(HEAP));
    let parent = java(heap().put(HEAP, &secret)).pre_dump();
    let root = Archive::default()
        .images("a/2/", &child)
        .images("1/", &parent)
        .images("a/b/1/", &parent)
        .member("a/other/notes.txt", "no images")
        .folder();
    symlink("../1", root.path().join("a/link")).unwrap();
    let target = root.path().join("a/2");
    let absolute = root.path().join("1").display().to_string();
    for link in ["../../1", "../b/1", "../link", "../other", "../missing", &absolute] {
        symlink(link, target.join("parent")).unwrap();
        let scanned = scan(&[&target], &revealing());
        std::fs::remove_file(target.join("parent")).unwrap();
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new(), "{link}");
        assert!(!part.holds(&secret), "{link}");
        assert_eq!(part.skipped("parent-missing"), PAGE, "{link}");
        assert_eq!(part.notes("parent-followed").count(), 0, "{link}");
    }
    // One that leads beside and back again ends.
    symlink("../3", target.join("parent")).unwrap();
    std::fs::rename(root.path().join("1"), root.path().join("a/3")).unwrap();
    symlink("../2", root.path().join("a/3/parent")).unwrap();
    assert!(scan(&[&target], &revealing()).whole().holds(&secret));
}

#[test]
fn a_whole_dump_that_another_builds_on_is_a_checkpoint_of_its_own() {
    let [whole, old] = [141, 142].map(token);
    let (left, right) = whole.split_at(20);
    let before = heap().put(HEAP + 2 * PAGE - 20, left).put(HEAP + 4 * PAGE + 8, &old);
    let after = before.clone().put(HEAP + 2 * PAGE, right).put(HEAP + 4 * PAGE + 8, "x".repeat(40));
    let archive = Archive::default()
        .images("1/", &java(before.clone()))
        .images("2/", &java(after.since(&before)))
        .link("2/parent", "../1");
    let scanned = scan_bytes(&archive.tar(), &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    assert_eq!(scanned.whole().of("checkpoint").count(), 2);
    let finding = |value: &str| scanned.whole().finding(value.as_bytes()).unwrap();
    assert_eq!(
        (&finding(&old)["checkpoint"], &finding(&whole)["checkpoint"]),
        (&"c1".into(), &"c2".into())
    );
    let stored: u64 = archive.files().map(|(_, bytes)| bytes.len() as u64).sum();
    let part = scanned.whole();
    let totals = part.of("coverage").filter_map(|it| it["total"].as_u64());
    assert_eq!(totals.sum::<u64>(), stored);
}

#[test]
fn pages_too_many_to_hold_are_scanned_by_themselves_on_a_pipe() {
    let [whole, kept] = [151, 152].map(token);
    let (left, right) = whole.split_at(20);
    let before = heap().put(HEAP + 2 * PAGE - 20, left).put(HEAP + 5 * PAGE + 8, &kept);
    let after = before.clone().put(HEAP + 2 * PAGE, right);
    let archive = chain(&[before, after]);
    let limits = Limits { chain_pages_bytes: 0x2000, ..Limits::default() };
    let scanned = scan_pipe(&archive.zstd(), &Settings { limits, ..revealing() });
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    assert!(part.holds(&kept) && !part.holds(&whole));
    assert_eq!(part.places(kept.as_bytes())[0]["image"], "images/1/pages-1.img");
    assert!(part.notes("late-metadata").count() > 0 && !scanned.outcome.complete);
}

#[test]
fn a_pre_dump_that_nothing_builds_on_lacks_nothing_on_a_pipe() {
    let value = token(161);
    let dump = java(heap().put(HEAP + 8, &value)).pre_dump();
    let archive = Archive::default().images("pre-checkpoint/", &dump);
    let limits = Limits { chain_pages_bytes: 0x2000, ..Limits::default() };
    let scanned = scan_pipe(&archive.zstd(), &Settings { limits, ..revealing() });
    let part = scanned.whole();
    assert_eq!(part.places(value.as_bytes()).len(), 1);
    assert_eq!(part.notes("late-metadata").count(), 0);
    assert!(scanned.outcome.complete, "{:?}", part.faults());
}
