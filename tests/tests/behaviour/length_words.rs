//! A value that stale text of its own alphabet follows is trimmed to what the string that holds it says,
//! in every layout of a string that is known; without such a word it is not.

use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::{Part, revealing, scan_bytes};
use cryoscan_tests::values;

const HEAP: u64 = 0x7f00_0000_0000;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Where strings begin: an address that 16 divides.
const AT: u64 = HEAP + 0x1040;

/// A value of a rule without a checksum or a fixed length.
fn token(random: &mut Random) -> String {
    values::connection_string("postgres", random).0
}

fn scan(text_at: u64, header: &[u8], text: &[u8]) -> Vec<serde_json::Value> {
    let heap =
        Mapping::zero(HEAP, 0x4000).put(text_at - header.len() as u64, header).put(text_at, text);
    let checkpoint = Checkpoint::new().process(Process::new(1, "app").map(heap));
    let scanned = scan_bytes(&Archive::of(Producer::Runc, &checkpoint).tar(), &revealing());
    findings(scanned.whole())
}

fn findings(part: Part<'_>) -> Vec<serde_json::Value> {
    assert_eq!(part.faults(), Vec::<String>::new());
    part.of("finding").cloned().collect()
}

/// What stands before a string of so many characters, and the address it then begins at.
type Header = fn(u64) -> (Vec<u8>, u64);

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

const LAYOUTS: [(&str, u64, Header); 4] = [
    ("java byte[]", 1, |len| (words(&[1, 0x0800_1234 | len << 32]), AT)),
    ("java byte[]", 1, |len| {
        let header = words(&[0x12_3400_0000_0001, len]);
        (header[..12].to_vec(), AT + 4)
    }),
    ("v8 one-byte string", 1, |len| (words(&[0x3a5c_1234_5679, 0x8765_4321 | len << 32]), AT)),
    ("v8 two-byte string", 2, |len| (words(&[0x3a5c_1234_5679, 0x8765_4321 | len << 32]), AT)),
];

fn encode(text: &str, unit: u64) -> Vec<u8> {
    match unit {
        1 => text.as_bytes().to_vec(),
        _ => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

#[test]
fn stale_text_behind_a_string_is_trimmed() {
    for seed in 0..8 {
        for (layout, unit, header) in LAYOUTS {
            let mut random = Random::new(seed);
            let value = token(&mut random);
            let stale = random.text(ALPHABET, 3 + usize::try_from(seed).unwrap());
            let (header, at) = header(value.len() as u64);
            let found = scan(at, &header, &encode(&(value.clone() + &stale), unit));
            assert_eq!(found.len(), 1, "{layout}: {found:?}");
            assert_eq!(found[0]["secret"]["value"], value, "{layout}");
            assert_eq!(found[0]["places"][0]["length"], value.len() as u64 * unit);
            assert_eq!(found[0]["attributes"]["string.layout"], layout);
            let evidence = found[0]["evidence"].to_string();
            assert!(evidence.contains("length-word") && !evidence.contains("border"), "{evidence}");

            // The same bytes without the word are not taken for it.
            let found = scan(at, &vec![0; header.len()], &encode(&(value.clone() + &stale), unit));
            for found in &found {
                assert_ne!(found["secret"]["value"], value, "{layout}: {found}");
                assert!(found["attributes"]["string.layout"].is_null(), "{found}");
            }
        }
    }
}

#[test]
fn a_string_that_begins_before_the_value_bounds_it_too() {
    let mut random = Random::new(3);
    let value = token(&mut random);
    let text = format!("{{\"name\":\"build\",\"note\":\"last of all\"}} to {value}");
    let stale = random.text(ALPHABET, 9);
    for (layout, unit, header) in LAYOUTS {
        let (header, at) = header(text.len() as u64);
        let found = scan(at, &header, &encode(&(text.clone() + &stale), unit));
        assert_eq!(found.len(), 1, "{layout}: {found:?}");
        assert_eq!(found[0]["secret"]["value"], value, "{layout}");
    }
}

/// Lengths that cannot be those of the string.
#[test]
fn a_wrong_length_trims_nothing() {
    let mut random = Random::new(4);
    let value = token(&mut random);
    let len = value.len() as u64;
    for wrong in [0, 1, 5, len + 1, 1 << 20, u64::from(u32::MAX)] {
        let (header, at) = LAYOUTS[0].2(wrong);
        let found = scan(at, &header, &encode(&(value.clone() + "\0"), 1));
        assert_eq!(found.len(), 1, "{wrong}: {found:?}");
        assert_eq!(found[0]["secret"]["value"], value, "{wrong}");
        assert!(found[0]["attributes"]["string.layout"].is_null(), "{wrong}");
    }
}
