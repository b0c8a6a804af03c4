use super::*;
use crate::fixtures::{self, Fixture};

fn fixture(name: &str) -> (Fixture, Reader) {
    let mut all = fixtures::load(&fixtures::folder()).unwrap();
    let at = all.iter().position(|fixture| fixture.truth.name == name).unwrap();
    let fixture = all.swap_remove(at);
    let reader = Reader::open_file(&fixture.archive).unwrap();
    (fixture, reader)
}

/// A report that says of every value what the truth says; `change` makes it wrong.
fn report(
    truth: &Truth,
    wanted: impl Fn(&Planted) -> bool,
    change: impl Fn(&mut serde_json::Value),
) -> String {
    let mut report = String::from("{\"type\":\"run\",\"schema\":\"cryoscan/1\"}\n");
    for planted in truth.values.iter().filter(|planted| wanted(planted)) {
        let places = planted.occurrences.iter().filter(|o| o.encoding == "plain").map(|o| {
            serde_json::json!({"region": "memory", "pid": o.pid, "address": o.address,
                "length": o.length, "image": o.image, "offset": null})
        });
        let value = data_encoding::BASE64.encode(&planted.bytes().unwrap());
        let mut line = serde_json::json!({"type": "finding", "rule": {"id": planted.kind},
            "confidence": "high", "secret": {"value_b64": value},
            "places": places.collect::<Vec<_>>()});
        change(&mut line);
        writeln!(report, "{line}").unwrap();
    }
    report
}

fn real(planted: &Planted) -> bool {
    !planted.decoy && planted.expect_present
}

#[test]
fn the_truth_itself_passes_on_every_fixture() {
    let mut all = Recall::default();
    for Fixture { archive, truth } in fixtures::load(&fixtures::folder()).unwrap() {
        let reader = Reader::open_file(&archive).unwrap();
        all.merge(compare(&report(&truth, real, |_| ()), &truth, &reader, &COVERED).unwrap());
    }
    assert!(all.passes(), "{}", all.markdown());
    assert_eq!(all.found, Rate { hit: 132, of: 132 });
    assert_eq!((all.decoys.of, all.gaps.of), (28, 7));
    let kinds: Vec<&str> = all
        .by
        .keys()
        .filter(|(table, _)| *table == "kind")
        .map(|(_, kind)| kind.as_str())
        .collect();
    assert_eq!(kinds, COVERED);
}

#[test]
fn an_empty_report_finds_nothing() {
    let (fixture, reader) = fixture("matrix");
    let recall = compare("", &fixture.truth, &reader, &COVERED).unwrap();
    assert_eq!(recall.found, Rate { hit: 0, of: 39 });
    assert_eq!(recall.problems.len(), 39);
    assert!(!recall.passes());
}

#[test]
fn decoys_and_page_gaps_count_against_a_report() {
    let (fixture, reader) = fixture("matrix");
    let report = report(&fixture.truth, |_| true, |_| ());
    let recall = compare(&report, &fixture.truth, &reader, &COVERED).unwrap();
    assert_eq!(recall.found, Rate { hit: 39, of: 39 });
    assert_eq!(recall.gaps, Rate { hit: 0, of: 7 });
    assert_eq!(recall.decoys.hit, 0);
    assert!(!recall.passes());
}

#[test]
fn a_value_that_is_too_long_is_not_exact_and_not_found() {
    let (fixture, reader) = fixture("runc");
    let longer = |line: &mut serde_json::Value| {
        let value = line["secret"]["value_b64"].as_str().unwrap();
        let mut value = data_encoding::BASE64.decode(value.as_bytes()).unwrap();
        value.push(b'x');
        line["secret"]["value_b64"] = data_encoding::BASE64.encode(&value).into();
        line["places"] = serde_json::json!([]);
    };
    let report = report(&fixture.truth, real, longer);
    let recall = compare(&report, &fixture.truth, &reader, &COVERED).unwrap();
    assert_eq!(recall.found, Rate { hit: 0, of: 4 });
}

#[test]
fn a_place_one_byte_off_is_untrue() {
    let (fixture, reader) = fixture("runc");
    let moved = |line: &mut serde_json::Value| {
        for place in line["places"].as_array_mut().unwrap() {
            let Some(address) = place["address"].as_str() else { continue };
            let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap() + 1;
            place["address"] = format!("{address:#x}").into();
        }
    };
    let report = report(&fixture.truth, real, moved);
    let recall = compare(&report, &fixture.truth, &reader, &COVERED).unwrap();
    assert_eq!(recall.found, Rate { hit: 4, of: 4 });
    assert_eq!(recall.places.hit, 0);
    assert!(recall.places.of > 0 && !recall.passes());
}

#[test]
fn tables_and_problems_show_no_values() {
    let (fixture, reader) = fixture("matrix");
    let recall = compare("", &fixture.truth, &reader, &COVERED).unwrap();
    let text = recall.markdown();
    assert!(text.starts_with(
        "| figure | hit | of | rate |\n|---|--:|--:|--:|\n| recall | 0 | 39 | 0.0 % |\n"
    ));
    for planted in &fixture.truth.values {
        let value = planted.bytes().unwrap();
        assert!(!text.contains(&*String::from_utf8_lossy(&value)), "{}", planted.id);
    }
}

#[test]
fn armoured_keys_compare_without_line_ends() {
    let key = |end: &str| format!("-----BEGIN X-----{end}AAAA{end}-----END X-----{end}");
    let plain = canonical(key("\n").as_bytes());
    for end in ["", "\r\n", "\\n", "\\r\\n", "\n    "] {
        assert_eq!(canonical(key(end).as_bytes()), plain, "{end:?}");
    }
}
