//! A mix of values without borders between them.

use super::{HEAP, LETTERS};
use crate::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use crate::random::Random;
use crate::values;

/// Values, parts of values and what begins them, one after the other, plain and in UTF-16, whole and
/// cut, in memory and in a file: no two of them end and begin as the rules expect.
pub fn soup(seed: u64) -> Archive {
    let mut random = Random::new(seed);
    let mut mix = |length: usize| {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(fragment(&mut random));
        }
        bytes.truncate(length);
        bytes
    };
    let (memory, file) = (mix(0x4_0000), mix(0x2_8000));
    let heap = Mapping::zero(HEAP, memory.len()).put(HEAP, memory);
    let checkpoint = Checkpoint::new().entry_pages(5).process(Process::new(1, "soup").map(heap));
    Archive::of(Producer::Podman, &checkpoint).rootfs_diff(&[("soup", &file)], false)
}

fn fragment(random: &mut Random) -> Vec<u8> {
    let claims = r#"{"sub":"soup","exp":4102444800}"#;
    let text = match random.below(20) {
        0 => values::github_token(random),
        1 => values::npm_token(random),
        2 => values::jwt(values::Algorithm::Rs256, b"", claims, random),
        3 => values::jwt(values::Algorithm::Hs256, b"key", claims, random),
        4 => values::pem_private_key(random),
        5 => values::aws_pair(123_456_789_012, random).0,
        6 => {
            let (id, secret) = values::aws_pair(123_456_789_012, random);
            format!("aws_access_key_id={id}\naws_secret_access_key={secret}\n")
        }
        7 => values::connection_string("postgres", random).0,
        8 => format!("DB_PASSWORD={}", values::password(16, random)),
        9 => format!("--password={}", values::password(16, random)),
        10 => format!("mysql -u root -p{}", values::password(16, random)),
        11 => values::hex_key(32, random),
        12 => values::hex_key(128, random),
        13 => format!("-----BEGIN {}-----\n", "PRIVATE KEY"),
        14 => format!("-----END {}-----\n", "PRIVATE KEY"),
        15 => ["ghp_", "npm_", "eyJ", "AKIA", "password=", "1234-5678"][random.below(6)].to_owned(),
        16 => some_text(random, 3000, LETTERS),
        17 => some_text(random, 9000, b"ABCDEFabcdef0123456789+/"),
        18 => "\0".repeat(random.below(40)),
        _ => {
            let length = random.below(60);
            return random.bytes(length);
        }
    };
    let mut bytes = text.into_bytes();
    if random.below(4) == 0 {
        bytes = bytes.into_iter().flat_map(|byte| [byte, 0]).collect();
    }
    if random.below(6) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    if random.below(3) == 0 {
        bytes.push(b"\0 \n\"\xff"[random.below(5)]);
    }
    bytes
}

fn some_text(random: &mut Random, most: usize, alphabet: &[u8]) -> String {
    let length = random.below(most);
    random.text(alphabet, length)
}
