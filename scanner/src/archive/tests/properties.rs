use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::tars::header;
use super::{PACKERS, bgzip_of, gzip_of, noise, tar_of, walk, zstd_of};
use crate::archive::container_of;

proptest! {
    #[test]
    fn a_range_and_a_stream_give_the_same(
        members in vec(("[a-z./]{1,40}[a-z]", 0_usize..3000), 0..8),
        packing in 0..=PACKERS.len(),
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in option::of(any::<Index>()),
    ) {
        let bodies: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(seed, (name, len))| (name.replace("..", "x"), noise(seed as u64, *len)))
            .map(|(name, body)| (name.trim_start_matches('/').to_owned(), body))
            .collect();
        let members: Vec<_> =
            bodies.iter().map(|(name, body)| (name.as_str(), body.as_slice())).collect();
        let tar = tar_of(&members);
        let mut bytes = PACKERS.get(packing).map_or(tar.clone(), |(_, pack)| pack(&tar));
        let end = bytes.len();
        if damage.is_empty() && cut.is_none() && !members.is_empty() {
            let (seen, problems, error) = walk(&bytes);
            prop_assert_eq!((problems, error), (vec![], None));
            for (seen, (_, body)) in seen.iter().zip(&bodies) {
                prop_assert_eq!(&seen.bytes, body);
            }
        }
        for (at, byte) in damage {
            bytes[at.index(end)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(end));
        }
        if container_of(&bytes).is_some() {
            walk(&bytes); // Compares the two.
        }
    }

    /// `walk` compares what is decoded ahead with what is decoded in order.
    #[test]
    fn what_is_decoded_ahead_is_the_same(
        zstd in any::<bool>(),
        parts in vec((0..6_u8, 0_usize..150_000, any::<u64>()), 1..6),
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        cut in option::weighted(0.3, any::<Index>()),
    ) {
        let mut bytes = Vec::new();
        let mut content = Vec::new();
        for (kind, len, seed) in &parts {
            // Half of it is noise, so that blocks of all types occur.
            let body = [noise(*seed, len / 2), vec![b'x'; len / 2]].concat();
            let garbage = *kind == 5 && seed.is_multiple_of(7);
            bytes.extend(match (kind, zstd) {
                _ if garbage => noise(*seed, 5),
                (0, true) => [&[0x53, 0x2a, 0x4d, 0x18, 9, 0, 0, 0][..], b"not of it"].concat(),
                (0, false) => bgzip_of(b""),
                // Its length is told, or not, as of a stream.
                (1..=3, true) => ::zstd::bulk::compress(&body, 1).unwrap(),
                (_, true) => zstd_of(&body),
                (1..=3, false) => bgzip_of(&body),
                (_, false) => gzip_of(&body),
            });
            if *kind != 0 && !garbage {
                content.extend(body);
            }
        }
        let is_whole = damage.is_empty() && cut.is_none();
        let is_clean = !parts.iter().any(|(kind, _, seed)| *kind == 5 && seed.is_multiple_of(7));
        let end = bytes.len();
        for (at, byte) in damage {
            bytes[at.index(end)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(end));
        }
        if container_of(&bytes).is_some_and(|it| ["gzip", "zstd"].contains(&it.name)) {
            let (seen, problems, error) = walk(&bytes);
            if is_whole && is_clean {
                prop_assert_eq!((problems, error), (vec![], None));
                prop_assert!(seen[0].bytes == content);
            }
        }
    }

    /// The same of members that tell no length: where they begin is guessed, and what is in them may look
    /// like members.
    #[test]
    fn members_that_are_guessed_are_the_same(
        parts in vec((0..8_u8, 0_usize..90_000, any::<u64>()), 2..9),
        damage in vec((any::<Index>(), any::<u8>()), 0..2),
        cut in option::weighted(0.3, any::<Index>()),
    ) {
        let mut bytes = Vec::new();
        let mut content = Vec::new();
        for (kind, len, seed) in &parts {
            let body = match kind {
                0 => Vec::new(),
                // Noise is stored as it is, and what is in it too.
                1 | 2 => [
                    noise(*seed, *len),
                    gzip_of(&noise(seed ^ 1, len / 4)),
                    noise(seed ^ 2, 3),
                    b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(),
                    noise(seed ^ 3, *len),
                ]
                .concat(),
                // Far more than is stored of it, beyond what may wait.
                3 => vec![b'x'; 3 * len],
                _ => [noise(*seed, len / 2), vec![b'x'; len / 2]].concat(),
            };
            bytes.extend(if *kind == 4 { bgzip_of(&body) } else { gzip_of(&body) });
            content.extend(body);
            if *kind == 7 && seed.is_multiple_of(5) {
                bytes.extend(noise(*seed, 40));
            }
        }
        let is_clean = !parts.iter().any(|(kind, _, seed)| *kind == 7 && seed.is_multiple_of(5));
        let is_whole = damage.is_empty() && cut.is_none();
        let end = bytes.len();
        for (at, byte) in damage {
            bytes[at.index(end)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(end));
        }
        if container_of(&bytes).is_some_and(|it| it.name == "gzip") {
            let (seen, problems, error) = walk(&bytes);
            if is_whole && is_clean {
                prop_assert_eq!((problems, error), (vec![], None));
                prop_assert!(seen[0].bytes == content);
            }
        }
    }

    #[test]
    fn hostile_headers_never_panic(
        parts in vec(
            (
                proptest::sample::select(b"\x000127xgLKSXDMV".to_vec()),
                any::<[u8; 12]>(),
                0_u64..2000,
                any::<bool>(),
                prop_oneof![vec(any::<u8>(), 0..1500), "([0-9]{1,2} (path|size|GNU.sparse.map)=[0-9]{0,9}\n){1,9}".prop_map(String::into_bytes)],
            ),
            1..8,
        ),
    ) {
        let mut bytes = Vec::new();
        for (kind, size_field, size, wild, body) in parts {
            bytes.extend(header(kind, "name", size, |block| {
                if wild {
                    block[124..136].copy_from_slice(&size_field);
                    block[482] = size_field[0];
                }
            }));
            bytes.extend(&body);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        if container_of(&bytes).is_some() {
            walk(&bytes);
        }
    }

    #[test]
    fn noise_never_panics(
        magic in proptest::sample::select(vec![
            &b"\x1f\x8b\x08"[..],
            b"\x28\xb5\x2f\xfd",
            b"\x50\x2a\x4d\x18",
            b"PK\x03\x04",
            b"PK\x05\x06",
            b"BZh9\x31\x41\x59\x26\x53\x59",
            b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46",
            b"PACK\0\0\0\x02\0\0\0\x09",
            b"SQLite format 3\0\x02\0\x01\x01\0",
        ]),
        rest in vec(any::<u8>(), 0..2000),
    ) {
        let bytes = [magic, &rest].concat();
        if container_of(&bytes).is_some() {
            walk(&bytes);
        }
    }
}
