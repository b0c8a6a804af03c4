//! Names and values in binary records are found where they lie, by the rules that read names in text too.

use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::{revealing, scan_bytes};
use cryoscan_tests::values;

const HEAP: u64 = 0x7f00_0000_0000;
const AT: u64 = HEAP + 0x1040;

/// What lies before the name, between it and the value, and behind: of a hash of Redis 7, of one of Redis 6,
/// a document of MongoDB, and maps of MessagePack and CBOR.
fn around(layout: &str, name: &str, value: &str) -> [Vec<u8>; 3] {
    let byte = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
    let (n, v) = (byte(name.len()), byte(value.len()));
    match layout {
        "redis listpack" => {
            let all = 7 + u32::from(n) + 2 + u32::from(v) + 2 + 1;
            let head = [&all.to_le_bytes()[..], &[2, 0, 0x80 | n]].concat();
            [head, vec![n + 1, 0x80 | v], vec![v + 1, 0xff]]
        }
        "redis ziplist" => {
            let tail = 10 + 2 + u32::from(n);
            let all = tail + 2 + u32::from(v) + 1;
            let head = [&all.to_le_bytes()[..], &tail.to_le_bytes(), &[2, 0, 0, n]].concat();
            [head, vec![n + 2, v], vec![0xff]]
        }
        "bson" => {
            let all = 4 + 1 + u32::from(n) + 1 + 4 + u32::from(v) + 1 + 1;
            let head = [&all.to_le_bytes()[..], &[2]].concat();
            [head, vec![0, v + 1, 0, 0, 0], vec![0, 0]]
        }
        "messagepack" => [vec![0x81, 0xa0 | n], vec![0xa0 | v], vec![]],
        _ => [vec![0xa1, 0x60 | n], vec![0x60 | v], vec![]],
    }
}

const LAYOUTS: [&str; 5] = ["redis listpack", "redis ziplist", "bson", "messagepack", "cbor"];

fn scan(bytes: &[u8]) -> Vec<serde_json::Value> {
    let checkpoint = Checkpoint::new()
        .process(Process::new(1, "app").map(Mapping::zero(HEAP, 0x4000).put(AT, bytes)));
    let scanned = scan_bytes(&Archive::of(Producer::Runc, &checkpoint).tar(), &revealing());
    assert_eq!(scanned.whole().faults(), Vec::<String>::new());
    scanned.whole().of("finding").cloned().collect()
}

#[test]
fn a_password_in_a_record_is_found_and_named() {
    for seed in 0..6 {
        for layout in LAYOUTS {
            let mut random = Random::new(seed);
            let value = values::strong_password(16, &mut random).unwrap();
            let [head, joint, tail] = around(layout, "db_password", &value);
            let record = [&head, &b"db_password"[..], &joint, value.as_bytes(), &tail].concat();
            let found = scan(&record);
            assert_eq!(found.len(), 1, "{layout}: {found:?}");
            assert_eq!(found[0]["rule"]["id"], "assigned-password", "{layout}");
            assert_eq!(found[0]["secret"]["value"], value, "{layout}");
            assert_eq!(found[0]["confidence"], "medium", "{layout}");
            assert_eq!(found[0]["attributes"]["name"], "db_password", "{layout}");
            assert_eq!(found[0]["attributes"]["string.layout"], layout);
            assert!(found[0]["evidence"].to_string().contains("length-word"), "{layout}");
            let place = &found[0]["places"][0];
            let at = AT + (head.len() + "db_password".len() + joint.len()) as u64;
            assert_eq!(place["address"], format!("{at:#x}"), "{layout}");
            assert_eq!(place["length"], value.len(), "{layout}");

            // Another name, or one length that does not agree.
            let hint = [&head, &b"db_passhint"[..], &joint, value.as_bytes(), &tail].concat();
            assert_eq!(scan(&hint), Vec::<serde_json::Value>::new(), "{layout}");
            let mut wrong = record.clone();
            wrong[head.len() - 1] ^= 1;
            for found in scan(&wrong) {
                assert_ne!(found["secret"]["value"], value, "{layout}");
            }
        }
    }
}

#[test]
fn a_rule_for_one_kind_of_value_reads_records_too() {
    let mut random = Random::new(7);
    let key = random.text(b"0123456789abcdef", 40);
    let len = u8::try_from(key.len()).unwrap();
    let record = [&[0x81, 0xae][..], b"private_key_id", &[0xd9, len], key.as_bytes()].concat();
    let found = scan(&record);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["rule"]["id"], "gcp-sa-key-id");
    assert_eq!(found[0]["secret"]["value"], key);
}
