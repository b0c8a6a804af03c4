//! SARIF of real checkpoints: it follows the schema and the standard, and says what the JSON Lines say.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot run fails")]

use std::collections::BTreeSet;
use std::path::Path;

use cryoscan::report::{FORMATS, Record, Report, Style};
use cryoscan::scan::{self, Progress, Settings, Target};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::HEAP;
use cryoscan_tests::sarif::{Reader, faults};
use cryoscan_tests::scanned::{Files, Sink};
use cryoscan_tests::values;
use serde_json::{Value, json};

const PROFILES: [(&str, Reader); 3] =
    [("sarif", Reader::Any), ("sarif-github", Reader::GitHub), ("sarif-gitlab", Reader::GitLab)];

/// One scan in all profiles, beside its records.
struct Reports {
    records: Vec<Value>,
    logs: Vec<Value>,
}

fn scan(targets: &[&Path]) -> Reports {
    let outs = [Sink::default(), Sink::default(), Sink::default()];
    let format = |name: &str| FORMATS.iter().find(|format| format.name == name).unwrap();
    let mut writers: Vec<Box<dyn Report>> = PROFILES
        .iter()
        .zip(&outs)
        .map(|((name, _), out)| (format(name).make)(Box::new(out.clone()), &Style::default()))
        .collect();
    let targets: Vec<Target> =
        targets.iter().map(|path| Target::Path(path.to_path_buf())).collect();
    let mut records = Vec::new();
    let settings = Settings { threads: 2, ..Settings::default() };
    scan::scan(&targets, &settings, &Progress::default(), &mut |record: Record| {
        records.push(serde_json::to_value(&record)?);
        writers.iter_mut().try_for_each(|writer| writer.record(&record))
    })
    .unwrap();
    for writer in &mut writers {
        writer.finish().unwrap();
    }
    let read = |out: &Sink| serde_json::from_slice(&out.bytes()).unwrap();
    Reports { records, logs: outs.iter().map(read).collect() }
}

fn schema() -> jsonschema::Validator {
    let schema = include_str!("../../schemas/sarif-schema-2.1.0.json");
    let schema = serde_json::from_str(schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn of<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The chain of artifacts that a location lies in, without the target and the mapping.
fn chain(run: &Value, location: &Value) -> String {
    let mut links = Vec::new();
    let mut at = &location["physicalLocation"]["artifactLocation"]["index"];
    while let Some(index) = at.as_u64() {
        let artifact = &run["artifacts"][usize::try_from(index).unwrap()];
        at = &artifact["parentIndex"];
        if !at.is_null() && artifact["properties"]["start"].is_null() {
            links.push(artifact["location"]["uri"].as_str().unwrap().to_owned());
        }
    }
    links.reverse();
    links.join("!")
}

fn number(address: &Value) -> u64 {
    u64::from_str_radix(address.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Where a location says something else of a place than its record; `None` if nowhere.
fn difference(run: &Value, location: &Value, place: &Value) -> Option<&'static str> {
    let physical = &location["physicalLocation"];
    let region = &physical["region"];
    let holder = place["image"].as_str().or(place["path"].as_str()).unwrap_or_default();
    let mut same = vec![
        // Names of the fixtures need no encoding.
        ("chain", chain(run, location) == holder),
    ];
    if let (false, Some(address)) = (place["vma"].is_null(), place["address"].as_str()) {
        let inside = number(&place["address"]) - number(&place["vma"]["start"]);
        let end = number(&place["vma"]["end"]) - number(&place["address"]);
        let length = place["length"].as_u64().unwrap().min(end);
        let logical = location["logicalLocations"][0]["index"].as_u64().unwrap();
        let logical = &run["logicalLocations"][usize::try_from(logical).unwrap()];
        let process = format!("/{}({})/", place["comm"].as_str().unwrap(), place["pid"]);
        let name = logical["fullyQualifiedName"].as_str().unwrap();
        same.extend([
            ("address", location["properties"]["address"] == address),
            ("offset in the mapping", region["byteOffset"] == inside),
            ("length", physical["address"]["length"] == length),
            ("kind", logical["kind"] == "mapping"),
            ("process", name.contains(&process)),
        ]);
    } else if !place["image"].is_null() || place["line"].is_null() || !place["decoded"].is_null() {
        same.push(("offset", region["byteOffset"] == place["offset"]));
        same.push(("length", region["byteLength"] == place["length"]));
    } else {
        same.push(("line", region["startLine"] == place["line"]));
        same.push(("column", region["startColumn"] == place["column"]));
    }
    same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

fn assert_sound(reports: &Reports, schema: &jsonschema::Validator, name: &str) {
    let findings = of(&reports.records, "finding");
    for ((profile, reader), log) in PROFILES.iter().zip(&reports.logs) {
        let wrong: Vec<String> = schema.iter_errors(log).map(|fault| fault.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{name}, {profile}");
        assert_eq!(faults(log, *reader), Vec::<String>::new(), "{name}, {profile}");
        let run = &log["runs"][0];
        let ids = |of: &mut dyn Iterator<Item = &Value>| -> BTreeSet<String> {
            of.map(ToString::to_string).collect()
        };
        let results = list(&run["results"]);
        let named = ids(&mut results.iter().map(|result| &result["properties"]["id"]));
        assert_eq!(results.len(), findings.len(), "{name}, {profile}");
        assert_eq!(named, ids(&mut findings.iter().map(|it| &it["id"])), "{name}, {profile}");
        let diagnostics = of(&reports.records, "diagnostic");
        let notes = list(&run["invocations"][0]["toolExecutionNotifications"]);
        for code in diagnostics.iter().map(|it| &it["code"]) {
            let count =
                |all: &mut dyn Iterator<Item = &Value>| all.filter(|it| *it == code).count();
            let told = count(&mut notes.iter().map(|note| &note["descriptor"]["id"]));
            assert_eq!(
                told,
                count(&mut diagnostics.iter().map(|it| &it["code"])),
                "{name}: {code}"
            );
        }
    }
    let run = &reports.logs[0]["runs"][0];
    for finding in findings {
        let mut results = list(&run["results"]).iter();
        let result = results.find(|it| it["properties"]["id"] == finding["id"]).unwrap();
        assert_eq!(result["ruleId"], finding["rule"]["id"], "{name}");
        assert_eq!(result["occurrenceCount"], finding["count"], "{name}");
        let fingerprints = &result["partialFingerprints"];
        assert_eq!(fingerprints["cryoscanSecret/v1"], finding["fingerprint"], "{name}");
        let locations = list(&result["locations"]).iter().chain(list(&result["relatedLocations"]));
        let locations: Vec<&Value> = locations.collect();
        let mut places: Vec<&Value> = list(&finding["places"]).iter().collect();
        assert_eq!(locations.len(), places.len(), "{name}");
        // The place that the title names comes first, the others keep their order.
        let first = locations[0];
        let at = places.iter().position(|place| difference(run, first, place).is_none());
        let named = places.remove(at.unwrap_or_else(|| panic!("{name}: no place of {first}")));
        let process =
            |place: &Value| format!("in {} ({})", place["comm"], place["pid"]).replace('"', "");
        let title = finding["title"].as_str().unwrap();
        if places.iter().any(|place| title.ends_with(&process(place))) {
            assert!(title.ends_with(&process(named)), "{name}: {title}: {named}");
        }
        for (location, place) in locations[1..].iter().zip(places) {
            assert_eq!(difference(run, location, place), None, "{name}: {location}: {place}");
        }
    }
}

#[test]
fn every_fixture_as_sarif_says_what_its_records_say() {
    let schema = schema();
    for fixture in fixtures::load(&fixtures::folder()).unwrap() {
        let reports = scan(&[&fixture.archive]);
        assert!(!of(&reports.records, "finding").is_empty(), "{}", fixture.truth.name);
        assert_sound(&reports, &schema, &fixture.truth.name);
    }
}

#[test]
fn several_checkpoints_are_one_run_and_stay_apart() {
    let all = fixtures::load(&fixtures::folder()).unwrap();
    let of_name = |name: &str| all.iter().find(|it| it.truth.name == name).unwrap();
    let archives = ["docker", "runc", "runc"].map(|name| of_name(name).archive.as_path());
    let reports = scan(&archives);
    assert_sound(&reports, &schema(), "several");
    let run = &reports.logs[0]["runs"][0];
    let logical = list(&run["logicalLocations"]).iter();
    let containers = logical.filter(|entry| entry["kind"] == "container").count();
    assert_eq!(containers, of(&reports.records, "checkpoint").len());
}

#[test]
fn a_damaged_target_is_told_as_it_is_in_the_records() {
    let fixtures = fixtures::load(&fixtures::folder()).unwrap();
    let fixture = fixtures.iter().find(|fixture| fixture.truth.name == "tree").unwrap();
    let tar = zstd::decode_all(std::fs::File::open(&fixture.archive).unwrap()).unwrap();
    let files = Files::new();
    let reports = scan(&[&files.add("cut.tar", &tar[..tar.len() / 2 + 100])]);
    assert!(!of(&reports.records, "diagnostic").is_empty());
    assert_sound(&reports, &schema(), "cut");
}

#[test]
fn names_of_the_container_are_harmless() {
    let mut random = Random::new(7);
    let token = values::github_token(&mut random);
    let evil = ["{0}](x)", "../..", "a:b/c", "\u{1b}[2J\n", "größe %41", "://"];
    for (name, number) in evil.into_iter().zip(1..) {
        let mapping = Mapping::noise(HEAP, 0x3000, 1).put(HEAP + 0x1800, &token);
        let process = Process::new(number, name).map(mapping);
        let archive = Archive::of(Producer::Podman, &Checkpoint::new().process(process));
        let inside = format!("{name}/x?#");
        let archive = archive.rootfs_diff(&[(&inside, token.as_bytes())], false);
        let files = Files::new();
        let reports = scan(&[&files.add("target", &archive.tar())]);
        assert_eq!(of(&reports.records, "finding").len(), 1, "{name}");
        for ((profile, reader), log) in PROFILES.iter().zip(&reports.logs) {
            assert_eq!(faults(log, *reader), Vec::<String>::new(), "{name}, {profile}");
            assert!(schema().is_valid(log), "{name}, {profile}");
        }
    }
}

/// A change of a sound report, and the fault that it must give.
type Planted = (&'static str, Value, &'static str);

fn assert_caught(log: &Value, reader: Reader, planted: &[Planted]) {
    assert_eq!(faults(log, reader), Vec::<String>::new());
    for (pointer, value, fault) in planted {
        let mut log = log.clone();
        let (above, name) = pointer.rsplit_once('/').unwrap();
        let above = log.pointer_mut(above).unwrap_or_else(|| unreachable_pointer(pointer));
        if let Some(items) = above.as_array_mut() {
            match name {
                "-" => items.push(value.clone()),
                name => items[name.parse::<usize>().unwrap()] = value.clone(),
            }
        } else if value.is_null() {
            above.as_object_mut().unwrap().remove(name).unwrap();
        } else {
            above[name] = value.clone();
        }
        let found = faults(&log, reader);
        assert!(found.iter().any(|it| it.contains(fault)), "{pointer} = {value}: {found:?}");
    }
}

fn unreachable_pointer(pointer: &str) -> ! {
    panic!("{pointer} leads nowhere")
}

#[test]
fn planted_faults_are_caught() {
    let fixtures = fixtures::load(&fixtures::folder()).unwrap();
    let tree = fixtures.iter().find(|fixture| fixture.truth.name == "tree").unwrap();
    let reports = scan(&[&tree.archive]);
    let log = &reports.logs[0];
    let results = list(&log["runs"][0]["results"]);
    let position = |what: &str| {
        let at = |result: &Value| {
            let physical = &result["locations"][0]["physicalLocation"];
            !physical[what].is_null() || !physical["region"][what].is_null()
        };
        results.iter().position(at).unwrap()
    };
    let pointer = |what: &str, rest: &str| -> &'static str {
        let at = position(what);
        let text = format!("/runs/0/results/{at}/locations/0/physicalLocation/{rest}");
        Box::leak(text.into_boxed_str())
    };
    let uri = pointer("address", "artifactLocation/uri");
    let artifact = "/runs/0/artifacts/1";
    let note = "/runs/0/invocations/0/toolExecutionNotifications/0";
    let at = |base: &str, rest: &str| -> &'static str {
        Box::leak(format!("{base}{rest}").into_boxed_str())
    };
    assert_caught(
        log,
        Reader::Any,
        &[
            ("/version", json!("2.0.0"), "is not 2.1.0"),
            ("/runs/-", json!({}), "is not one run"),
            ("/runs/0/results/0/ruleIndex", json!(999), "ruleIndex does not lead"),
            ("/runs/0/results/0/ruleIndex", Value::Null, "ruleIndex does not lead"),
            ("/runs/0/results/0/ruleId", json!("other"), "ruleIndex does not lead"),
            ("/runs/0/results/0/kind", json!("informational"), "not of kind fail"),
            ("/runs/0/results/0/level", json!("note"), "level and rank differ"),
            ("/runs/0/results/0/rank", json!(101.0), "level and rank differ"),
            ("/runs/0/results/0/message/text", json!("see {0}"), "a placeholder"),
            ("/runs/0/results/0/message/text", json!("[x](1)"), "a link"),
            ("/runs/0/results/0/message/text", json!("\u{1b}[2J"), "a control character"),
            ("/runs/0/results/0/message/text", json!(" "), "no text"),
            ("/runs/0/results/0/message/text", json!("x".repeat(2049)), "too long"),
            ("/runs/0/results/0/guid", json!("00000000-0000-0000-0000-000000000000"), "no GUID"),
            ("/runs/0/results/0/guid", json!("018f3c1a-0000-7000-8000-000000000000"), "no GUID"),
            ("/runs/0/results/0/guid", results[1]["guid"].clone(), "the GUID of another"),
            ("/runs/0/results/0/suppressions", json!([]), "suppressions on some"),
            ("/runs/0/results/0/baselineState", json!("new"), "baselineState on some"),
            ("/runs/0/results/0/occurrenceCount", json!(2_147_483_648_u64), "more than 32 bits"),
            ("/runs/0/results/0/partialFingerprints", json!({"a/b": "1"}), "without a version"),
            ("/runs/0/results/0/partialFingerprints", json!({"a/v1": ""}), "an empty fingerprint"),
            (
                "/runs/0/results/0/locations/-",
                results[0]["locations"][0].clone(),
                "not one location",
            ),
            ("/runs/0/results/0/locations", json!([]), "not one location"),
            (uri, Value::Null, "none"),
            (uri, json!("another"), "another URI than in the table"),
            (uri, json!("a b"), "a character that is not encoded"),
            (uri, json!("a%4g"), "a character that is not encoded"),
            (uri, json!("a%ff"), "a character that is not encoded"),
            (uri, json!("größe"), "a character that is not encoded"),
            (uri, json!("c:x"), "a colon"),
            (uri, json!("//server/x"), "without a scheme"),
            (pointer("address", "artifactLocation/index"), json!(9999), "is not in artifacts"),
            (pointer("address", "artifactLocation/index"), json!(-1), "is not in artifacts"),
            (pointer("address", "region/byteLength"), Value::Null, "without offset or length"),
            (pointer("address", "region/byteLength"), json!(1), "differ in length"),
            (pointer("address", "region/byteOffset"), json!(1), "differ in offset"),
            (pointer("address", "region/byteOffset"), json!(2_147_483_000), "beyond the end"),
            (pointer("address", "region/startLine"), json!(1), "of bytes and of text"),
            (pointer("address", "region"), json!({}), "says nothing"),
            (pointer("address", "address/parentIndex"), json!(0), "half an address"),
            (pointer("address", "address/relativeAddress"), json!(1), "relative to no parent"),
            (pointer("address", "address/fullyQualifiedName"), json!(""), "without a name"),
            (pointer("startLine", "region/startLine"), json!(0), "before the first line"),
            (pointer("startColumn", "region/endColumn"), json!(0), "ends before it begins"),
            (pointer("startColumn", "region/byteOffset"), json!(0), "without offset or length"),
            ("/runs/0/columnKind", Value::Null, "how columns are counted"),
            (at(artifact, "/parentIndex"), json!(1), "does not lead up"),
            (at(artifact, "/parentIndex"), json!(9999), "does not lead up"),
            (at(artifact, "/parentIndex"), Value::Null, "no target, in nothing"),
            (at(artifact, "/location/uriBaseId"), json!("INPUT"), "with a base"),
            (at(artifact, "/location/uri"), json!("file:///x"), "with an absolute URI"),
            ("/runs/0/artifacts/-", log["runs"][0]["artifacts"][1].clone(), "an artifact twice"),
            ("/runs/0/logicalLocations/1/parentIndex", json!(1), "does not lead up"),
            ("/runs/0/logicalLocations/1/fullyQualifiedName", json!("x"), "one more part"),
            (
                "/runs/0/logicalLocations/-",
                log["runs"][0]["logicalLocations"][0].clone(),
                "no name of its own",
            ),
            (
                "/runs/0/results/0/locations/0/logicalLocations/0/index",
                json!(9999),
                "is not in logical",
            ),
            (
                "/runs/0/results/0/locations/0/logicalLocations/0/fullyQualifiedName",
                json!("x"),
                "by another name",
            ),
            (at(note, "/level"), json!("error"), "a run that did not fail"),
            ("/runs/0/invocations/0/executionSuccessful", json!(false), "or none of one"),
            (at(note, "/descriptor/index"), json!(999), "does not lead to its id"),
            (at(note, "/message/text"), json!(""), "no text"),
            ("/runs/0/tool/driver/version", json!(""), "no version"),
            ("/runs/0/tool/driver/rules/0/id", json!("a/b"), "a bad id"),
            ("/runs/0/tool/driver/rules/0/help/text", json!(""), "no text"),
            (
                "/runs/0/tool/driver/rules/0/fullDescription/text",
                json!("x".repeat(1025)),
                "too long",
            ),
            ("/runs/0/tool/driver/rules/0/properties/tags", json!(["a", "a"]), "a tag twice"),
            ("/runs/0/tool/driver/rules/0/properties/tags", json!(vec!["a"; 11]), "more than 10"),
            ("/runs/0/tool/driver/rules/0/properties/security-severity", json!("0.0"), "ten times"),
            ("/runs/0/tool/driver/rules/0/relationships/0/target/id", json!("CWE-1"), "a taxon"),
            (
                "/runs/0/tool/driver/rules/0/relationships/0/target/toolComponent/index",
                json!(0),
                "by index",
            ),
            ("/runs/0/automationDetails/id", json!(""), "a bad id"),
        ],
    );
    let first = "/runs/0/results/0/locations/0/physicalLocation";
    let second = list(&reports.logs[2]["runs"][0]["results"])[0].clone();
    assert_caught(
        &reports.logs[1],
        Reader::GitHub,
        &[
            (at(first, "/region/endColumn"), Value::Null, "no endColumn"),
            (at(first, "/artifactLocation/uri"), json!("15/heap"), "not the path of a checkpoint"),
            (
                "/runs/0/results/0/partialFingerprints/primaryLocationLineHash",
                json!(""),
                "no primaryLocationLineHash",
            ),
            (
                "/runs/0/results/1",
                json!(list(&reports.logs[1]["runs"][0]["results"])[0]),
                "takes it for another",
            ),
        ],
    );
    assert_caught(
        &reports.logs[2],
        Reader::GitLab,
        &[("/runs/0/results/1", second, "takes it for another")],
    );
}
