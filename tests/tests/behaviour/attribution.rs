//! Every place of every finding is true: a second reader, which shares no code with the scanner,
//! finds the value there.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot run fails")]
#![expect(clippy::disallowed_methods, reason = "reads its own fixtures")]

use std::io::{Cursor, Read};
use std::path::Path;

use cryoscan_tests::builder::{Archive, Order};
use cryoscan_tests::fixtures;
use cryoscan_tests::reader::Reader;
use cryoscan_tests::recall::canonical;
use cryoscan_tests::samples::{self, Sample};
use cryoscan_tests::scanned::{Files, Part, address, revealing, scan, scan_pipe, shown};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::Value;

/// Regions of which a place has a process and an address.
const OF_PROCESSES: [&str; 3] = ["memory", "argv", "environ"];
const SHARED: [&str; 3] = ["shared-memory", "memfd", "sysv-shm"];

/// Whether the bytes of a place, decoded as the place says, are the value; without line ends of
/// armoured keys. Where characters do not begin and end with the value, as in base64, they hold it.
fn shows(bytes: &[u8], place: &Value, value: &[u8]) -> bool {
    let mut all = vec![bytes.to_vec()];
    let mut is_loose = false;
    for step in place["decoded"].as_array().into_iter().flatten() {
        let step = step.as_str().unwrap();
        is_loose |= matches!(step, "base64" | "base64url" | "gzip" | "zlib");
        all = all.iter().flat_map(|bytes| decoded(bytes, step)).collect();
    }
    all.iter().map(|bytes| canonical(bytes)).any(|bytes| {
        bytes == value || is_loose && bytes.windows(value.len()).any(|part| part == value)
    })
}

/// What bytes may say in an encoding: base64 may begin with any of the characters of a group.
fn decoded(bytes: &[u8], step: &str) -> Vec<Vec<u8>> {
    let characters = |first: usize, unit: usize| {
        let is_zero = |(at, byte): (usize, &u8)| at % unit == first || *byte == 0;
        assert!(bytes.iter().enumerate().all(is_zero), "{step}");
        bytes.iter().skip(first).step_by(unit).copied().collect()
    };
    let inflated = |reader: &mut dyn Read| {
        let mut plain = Vec::new();
        // What the place shows of a stream may end before the stream does.
        let _end = reader.take(64 << 20).read_to_end(&mut plain);
        plain
    };
    match step {
        "utf-16le" => vec![characters(0, 2)],
        "utf-16be" => vec![characters(1, 2)],
        "utf-32le" => vec![characters(0, 4)],
        "percent" => vec![percent_decoded(bytes)],
        "hex" => vec![HEXLOWER_PERMISSIVE.decode(bytes).unwrap()],
        "json" => {
            vec![serde_json::from_slice::<String>(&[b"\"", bytes, b"\""].concat()).unwrap().into()]
        }
        "gzip" => vec![inflated(&mut flate2::read::GzDecoder::new(bytes))],
        "zlib" => vec![inflated(&mut flate2::read::ZlibDecoder::new(bytes))],
        "base64" | "base64url" => {
            let standard = |byte: &u8| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            let is_character = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
            let body: Vec<u8> = bytes.iter().map(standard).filter(is_character).collect();
            let from = |phase: usize| {
                let mut group = [vec![b'A'; phase], body.clone()].concat();
                group.resize(group.len().next_multiple_of(4), b'A');
                BASE64.decode(&group).unwrap()
            };
            (0..4).map(from).collect()
        }
        other => panic!("no second decoder for {other}"),
    }
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut parts = bytes.split(|byte| *byte == b'%');
    let mut out = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        out.extend(HEXLOWER_PERMISSIVE.decode(digits).unwrap());
        out.extend(rest);
    }
    out
}

/// A file of an archive by its path chain.
fn file(archive: &[u8], chain: &str) -> Option<Vec<u8>> {
    let (first, rest) = chain.split_once('!').map_or((chain, None), |(a, b)| (a, Some(b)));
    let found = member(&unpacked(archive)?, first)?;
    match rest {
        Some(rest) => file(&found, rest),
        // Offsets in a compressed file are those of its content.
        None => unpacked(&found),
    }
}

/// What is inside of one layer of compression.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes).take(64 << 20).read_to_end(&mut plain).ok()?;
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::Decoder::new(bytes).ok()?.take(64 << 20).read_to_end(&mut plain).ok()?;
    } else {
        plain.extend(bytes);
    }
    Some(plain)
}

/// The last member of that name of a tar or zip.
fn member(archive: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if archive.starts_with(b"PK") {
        let mut zip = zip::ZipArchive::new(Cursor::new(archive)).ok()?;
        zip.by_name(name).ok()?.take(64 << 20).read_to_end(&mut body).ok()?;
        return Some(body);
    }
    let mut found = None;
    for entry in tar::Archive::new(archive).entries().ok()? {
        let mut entry = entry.ok()?;
        if String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./") == name {
            let mut body = Vec::new();
            entry.by_ref().take(64 << 20).read_to_end(&mut body).ok()?;
            found = Some(body);
        }
    }
    found
}

/// Line and column of an offset, counted by hand.
fn position(content: &[u8], offset: usize) -> (u64, u64) {
    let before = &content[..offset];
    let mut lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    (lines.len() as u64 + 1, last.len() as u64 + 1)
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// How many places of a report were held against the archive.
#[derive(Debug, Default)]
struct Checked {
    memory: usize,
    shared: usize,
    files: usize,
    images: usize,
}

fn check(part: Part<'_>, archive: &[u8], checked: &mut Checked) {
    let reader = Reader::open(archive).unwrap();
    for finding in part.of("finding") {
        let value = canonical(&shown(finding).unwrap());
        for place in finding["places"].as_array().unwrap() {
            let what = format!("{} at {place}", finding["rule"]["id"]);
            check_place(place, &value, &reader, archive, checked, &what);
        }
        let spread = finding["places"].as_array().unwrap().iter();
        let mut pids: Vec<u64> = spread.filter_map(|place| place["pid"].as_u64()).collect();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(finding["processes"], pids.len(), "{}", finding["id"]);
    }
}

fn check_place(
    place: &Value,
    value: &[u8],
    reader: &Reader,
    archive: &[u8],
    checked: &mut Checked,
    what: &str,
) {
    let region = place["region"].as_str().unwrap();
    let length = number(&place["length"]);
    let pid = place["pid"].as_u64().map(|pid| u32::try_from(pid).unwrap());
    let mut held = None;
    if OF_PROCESSES.contains(&region) {
        let at = address(&place["address"]).unwrap();
        let pid = pid.unwrap();
        let bytes = match place["image"].as_str().filter(|_| place["superseded"] == true) {
            Some(image) => reader.memory_of_dump(image, pid, at, length),
            None => reader.memory(pid, at, length),
        };
        assert!(bytes.as_ref().is_some_and(|b| shows(b, place, value)), "memory: {what}");
        held = bytes;
        checked.memory += 1;
    } else if let (true, Some(pid), Some(at)) =
        (SHARED.contains(&region), pid, address(&place["address"]))
    {
        let bytes = reader.mapped(pid, at, length);
        assert!(bytes.as_ref().is_some_and(|b| shows(b, place, value)), "shared: {what}");
        held = bytes;
        checked.shared += 1;
    }
    if let Some(at) = address(&place["address"]) {
        let bounds = [&place["vma"]["start"], &place["vma"]["end"]].map(address);
        let [Some(start), Some(end)] = bounds else { panic!("no mapping: {what}") };
        assert!((start..end).contains(&at), "outside of its mapping: {what}");
    }
    if let Some(image) = place["image"].as_str() {
        let offset = place["offset"].as_u64().unwrap();
        // The next page may lie elsewhere in the image.
        let rest = 4096 - usize::try_from(offset % 4096).unwrap();
        let stored = reader.image(image, offset, length.min(rest)).unwrap_or_default();
        if let Some(held) = held {
            assert!(!stored.is_empty() && held.starts_with(stored), "image: {what}");
        } else {
            let whole = reader.image(image, offset, length).unwrap_or_default();
            assert!(shows(whole, place, value), "image: {what}");
        }
        checked.images += 1;
    } else if let Some(path) = place["path"].as_str() {
        let content = file(archive, path).unwrap_or_else(|| panic!("no such file: {what}"));
        let offset = number(&place["offset"]);
        let bytes = content.get(offset..offset + length).unwrap_or_default();
        assert!(shows(bytes, place, value), "file: {what}");
        let found = (place["line"].as_u64().unwrap(), place["column"].as_u64().unwrap());
        assert_eq!(found, position(&content, offset), "line and column: {what}");
        checked.files += 1;
    } else {
        panic!("neither image nor file: {what}");
    }
}

#[test]
fn every_place_in_a_built_checkpoint_holds_the_value() {
    let Sample { archive, sown, .. } = samples::rich();
    let files = Files::new();
    let path = files.add("rich", &archive.tar());
    let mut settings = revealing();
    settings.max_places = 100;
    settings.window = 128 << 10;
    settings.threads = 2;
    let scanned = scan(&[&path], &settings);
    let mut checked = Checked::default();
    check(scanned.whole(), &archive.tar(), &mut checked);
    assert!(checked.memory > 50 && checked.shared > 10 && checked.files > 10, "{checked:?}");
    // And the other way round: whatever was put somewhere is found there.
    for sown in &sown {
        let finding = scanned.whole().finding(sown.value.as_bytes()).unwrap();
        let places = finding["places"].as_array().unwrap();
        let has = |wanted: &dyn Fn(&Value) -> bool| places.iter().any(wanted);
        for (pid, at) in &sown.memory {
            let at = format!("{at:#x}");
            let here = |place: &Value| {
                place["pid"] == *pid
                    && place["address"] == at.as_str()
                    && number(&place["length"]) == sown.value.len() * sown.width
            };
            // A tally keeps its lowest places, and counts the others.
            let omitted = finding["places_omitted"].as_u64() > Some(0);
            assert!(omitted || has(&here), "{sown:?}: {finding}");
        }
        for (path, at) in &sown.files {
            let here = |place: &Value| place["path"] == *path && place["offset"] == *at;
            assert!(has(&here), "{sown:?}: {finding}");
        }
    }
}

#[test]
fn copies_are_counted_though_not_all_are_shown() {
    let Sample { archive, sown, .. } = samples::rich();
    let copied = sown.iter().max_by_key(|sown| sown.memory.len()).unwrap();
    let files = Files::new();
    let path = files.add("rich", &archive.tar());
    for (threads, window) in [(1, 4 << 20), (2, 64 << 10)] {
        let mut settings = revealing();
        (settings.threads, settings.window, settings.max_places) = (threads, window, 7);
        let scanned = scan(&[&path], &settings);
        let finding = scanned.whole().finding(copied.value.as_bytes()).unwrap().clone();
        assert_eq!(finding["count"], copied.memory.len());
        assert_eq!(finding["places"].as_array().unwrap().len(), 7);
        assert_eq!(finding["places_omitted"], copied.memory.len() - 7);
        let lowest: Vec<String> =
            copied.memory.iter().take(7).map(|(_, at)| format!("{at:#x}")).collect();
        let places = finding["places"].as_array().unwrap().iter();
        let shown: Vec<&str> = places.map(|place| place["address"].as_str().unwrap()).collect();
        assert_eq!(shown, lowest);
    }
}

#[test]
fn places_are_true_in_every_order_of_the_members_and_from_a_pipe() {
    let Sample { archive, .. } = samples::rich();
    for order in [Order::Reversed, Order::Shuffled(9)] {
        let tar = archive.clone().order(order).tar();
        let scanned = scan_pipe(&tar, &revealing());
        let mut checked = Checked::default();
        check(scanned.whole(), &tar, &mut checked);
        assert!(checked.memory > 50, "{order:?}: {checked:?}");
    }
}

#[test]
fn every_place_in_real_checkpoints_holds_the_value() {
    let mut checked = Checked::default();
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let bytes = zstd::decode_all(std::fs::File::open(&fixture.archive).unwrap()).unwrap();
        let scanned = scan(&[Path::new(&fixture.archive)], &revealing());
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new(), "{}", fixture.truth.name);
        check(part, &bytes, &mut checked);
    }
    assert!(checked.memory > 100 && checked.files > 20, "{checked:?}");
}

#[test]
fn a_place_that_is_one_byte_off_is_caught() {
    // Otherwise the tests here would prove nothing.
    let Sample { archive, .. } = samples::small();
    let archive: Archive = archive;
    let files = Files::new();
    let scanned = scan(&[&files.add("small", &archive.tar())], &revealing());
    let reader = Reader::open(&archive.tar()).unwrap();
    let mut caught = 0;
    for finding in scanned.whole().of("finding") {
        let value = canonical(&shown(finding).unwrap());
        for place in finding["places"].as_array().unwrap() {
            let mut moved = place.clone();
            match address(&place["address"]) {
                Some(at) => moved["address"] = format!("{:#x}", at + 1).into(),
                None => moved["offset"] = (place["offset"].as_u64().unwrap() + 1).into(),
            }
            let tar = archive.tar();
            let check = || {
                check_place(&moved, &value, &reader, &tar, &mut Checked::default(), "moved");
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err());
            caught += 1;
        }
    }
    assert_eq!(caught, 5);
}
