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
        let memory = planted.occurrences.iter().filter(|o| o.encoding == "plain").map(|o| {
            serde_json::json!({"region": "memory", "pid": o.pid, "address": o.address,
                "length": o.length, "image": o.image, "offset": null})
        });
        let shared = planted.occurrences.iter().flat_map(|o| &o.mapped_by).map(|mapped| {
            serde_json::json!({"region": "shared-memory", "pid": mapped.pid,
                "address": mapped.address, "length": 1})
        });
        let items = planted.items.iter().map(|item| {
            let region = finding::region(&item.item).unwrap_or("file");
            serde_json::json!({"region": region, "path": item.item, "length": 1})
        });
        let places = memory.chain(shared).chain(items);
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
        all.merge(compare(&report(&truth, real, |_| ()), &truth, &reader, WITHOUT_RULE).unwrap());
    }
    let all_of_it = Thresholds {
        found: 1000,
        direct: 1000,
        exact: 1000,
        places: 1000,
        others: 1000,
        alone: 1000,
    };
    assert!(all.passes(&all_of_it), "{}", all.markdown());
    assert_eq!(all.found, Rate { hit: 193, of: 193 });
    assert_eq!((all.direct.of, all.others.of), (166, 117));
    assert_eq!((all.decoys.of, all.gaps.of), (28, 7));
    for table in [LAYOUT, CHECKPOINT, PLACE, REACH, KIND, SURROUNDING] {
        let rows = all.by.iter().filter(|((name, _), _)| *name == table);
        assert_eq!(rows.map(|(_, rate)| rate.of).sum::<u64>(), 193, "{table}");
    }
}

#[test]
fn an_empty_report_finds_nothing() {
    let (fixture, reader) = fixture("matrix");
    let recall = compare("", &fixture.truth, &reader, WITHOUT_RULE).unwrap();
    assert_eq!(recall.found, Rate { hit: 0, of: 52 });
    assert_eq!(recall.problems.len(), 52);
    assert!(!recall.passes(&LEAST));
}

#[test]
fn decoys_and_page_gaps_count_against_a_report() {
    let (fixture, reader) = fixture("matrix");
    let report = report(&fixture.truth, |_| true, |_| ());
    let recall = compare(&report, &fixture.truth, &reader, WITHOUT_RULE).unwrap();
    assert_eq!(recall.found, Rate { hit: 52, of: 52 });
    assert_eq!(recall.gaps, Rate { hit: 0, of: 7 });
    assert_eq!(recall.decoys.hit, 0);
    assert!(!recall.passes(&LEAST));
}

#[test]
fn kinds_without_a_rule_are_planted_and_sorted() {
    let planted: Vec<String> = fixtures::load(&fixtures::folder())
        .unwrap()
        .into_iter()
        .flat_map(|fixture| fixture.truth.values)
        .filter(Planted::is_asked_for)
        .map(|planted| planted.kind)
        .collect();
    for kind in WITHOUT_RULE {
        assert!(planted.iter().any(|it| it == kind), "{kind} is planted nowhere");
    }
    assert!(WITHOUT_RULE.is_sorted());
}

#[test]
fn a_queue_is_named_by_its_image_and_its_kind_of_region() {
    let (fixture, reader) = fixture("tree");
    let wrong = |line: &mut serde_json::Value| {
        for place in line["places"].as_array_mut().unwrap() {
            place["region"] = "raw-image".into();
        }
    };
    let report = report(&fixture.truth, real, wrong);
    let recall = compare(&report, &fixture.truth, &reader, WITHOUT_RULE).unwrap();
    assert_eq!(recall.found.hit, recall.found.of);
    assert!(recall.others.hit < recall.others.of, "{:?}", recall.others);
    assert!(!recall.passes(&LEAST));
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
    let recall = compare(&report, &fixture.truth, &reader, WITHOUT_RULE).unwrap();
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
    let recall = compare(&report, &fixture.truth, &reader, WITHOUT_RULE).unwrap();
    assert_eq!(recall.found, Rate { hit: 4, of: 4 });
    assert_eq!(recall.places.hit, 0);
    assert!(recall.places.of > 0 && !recall.passes(&LEAST));
}

#[test]
fn tables_and_problems_show_no_values() {
    let (fixture, reader) = fixture("matrix");
    let recall = compare("", &fixture.truth, &reader, WITHOUT_RULE).unwrap();
    let text = recall.markdown();
    assert!(text.starts_with(
        "| figure | hit | of | rate |\n|---|--:|--:|--:|\n| recall | 0 | 52 | 0.0 % |\n"
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
