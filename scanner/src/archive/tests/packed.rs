use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::rc::Rc;

use super::{
    How, PACKERS, Walk, bgzip_of, bzip2_of, gzip_of, noise, tar_of, walk, walk_as, xz_of, xz_with,
    zstd_of,
};
use crate::archive::{Body, Cause, Extent, Helpers, Source, container_of};
use crate::diagnostic::Code;
use crate::limits::{Budget, Limits};

#[test]
fn a_compressed_tar_is_its_members() {
    let tar = tar_of(&[("etc/passwd", b"root"), ("big", &noise(1, 300_000))]);
    for (_, pack) in PACKERS {
        let packed = pack(&tar);
        let (seen, problems, error) = walk(&packed);
        assert_eq!((problems, error), (vec![], None));
        assert_eq!((seen[0].name.as_str(), seen[0].bytes.as_slice()), ("etc/passwd", &b"root"[..]));
        assert_eq!(seen[1].bytes, noise(1, 300_000));
        // Inside another tar the chain names both.
        let (seen, _, error) = walk(&tar_of(&[("rootfs-diff.tar", &packed)]));
        assert_eq!((seen[0].name.as_str(), error), ("rootfs-diff.tar!etc/passwd", None));
    }
}

#[test]
fn a_compressed_file_keeps_its_name() {
    for (_, pack) in PACKERS {
        let packed = pack(b"text");
        let (seen, ..) = walk(&tar_of(&[("log.1", &packed)]));
        assert_eq!((seen[0].name.as_str(), seen[0].bytes.as_slice()), ("log.1", &b"text"[..]));
        assert_eq!(seen[0].size, None);
    }
    let mut gzip =
        flate2::GzBuilder::new().mtime(99).read(&b"text"[..], flate2::Compression::default());
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut gzip, &mut bytes).unwrap();
    assert_eq!(walk(&bytes).0[0].mtime, Some(99));
}

#[test]
fn all_members_and_frames_count() {
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let gzip = [gzip_of(b"one "), gzip_of(b""), gzip_of(b"two")].concat();
    let zstd = [
        skippable.clone(),
        zstd_of(b"one "),
        skippable.clone(),
        zstd_of(b""),
        zstd_of(b"two"),
        skippable,
    ]
    .concat();
    let bzip2 = [bzip2_of(b"one "), bzip2_of(b""), bzip2_of(b"two")].concat();
    let xz = [xz_of(b"one "), xz_of(b""), vec![0; 8], xz_of(b"two")].concat();
    for packed in [gzip, zstd, bzip2, xz] {
        let (seen, problems, error) = walk(&packed);
        assert_eq!(seen[0].bytes, b"one two");
        assert_eq!((problems, error), (vec![], None));
    }
}

#[test]
fn what_stands_behind_the_end_is_said() {
    for (_, pack) in PACKERS {
        let packed = pack(b"text");
        let len = packed.len() as u64;
        assert_eq!(walk(&[packed.clone(), vec![0; 100]].concat()).1, []);
        let (seen, problems, error) = walk(&[packed, vec![0; 4], b"garbage".to_vec()].concat());
        assert_eq!((seen[0].bytes.as_slice(), error), (&b"text"[..], None));
        assert_eq!((problems[0].code, problems[0].offset), (Code::StaleTail, len + 4));
        assert_eq!(problems[0].lost, 7);
    }
}

#[test]
fn damage_ends_the_stream_and_says_where() {
    let text = noise(1, 200_000);
    for (name, mut packed) in [("gzip", gzip_of(&text)), ("zstd", zstd_of(&text))] {
        let (seen, _, error) = walk(&packed[..packed.len() / 2]);
        assert!(text.starts_with(&seen[0].bytes) && seen[0].bytes.len() > 50_000, "{name}");
        let expected = format!("{name} at byte {:#x}: expected 1 more bytes", packed.len() / 2);
        assert!(error.as_ref().unwrap().starts_with(&expected), "{error:?}");
        let end = packed.len() - 6;
        packed[end] ^= 0xff; // The checksum of gzip, the last block of zstd.
        let (_, _, error) = walk(&packed);
        if name == "gzip" {
            assert!(error.unwrap().starts_with("gzip at byte "));
        }
        packed[6..13].fill(0xff); // The head of the first block.
        assert!(walk(&packed).2.is_some());
    }
}

#[test]
fn windows_beyond_128_mib_are_refused_with_numbers() {
    use std::io::Write as _;
    let mut zstd = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.set_parameter(::zstd::zstd_safe::CParameter::WindowLog(28)).unwrap();
    zstd.write_all(b"text").unwrap();
    let packed = zstd.finish().unwrap();
    assert_eq!(
        walk(&packed).2.unwrap(),
        "zstd at byte 0x0: bytes of the window: limit of 134217728 reached, found 268435456"
    );
    let mut zstd = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.set_parameter(::zstd::zstd_safe::CParameter::WindowLog(27)).unwrap();
    zstd.write_all(b"text").unwrap();
    assert_eq!(walk(&zstd.finish().unwrap()).0[0].bytes, b"text");
}

#[test]
fn bombs_end_at_the_ratio() {
    let floor = 1 << 20;
    let limits = Limits { expansion_floor: floor, expansion_ratio: 100, ..Limits::default() };
    let zeros = vec![0; 8 << 20];
    for (_, pack) in PACKERS {
        let packed = pack(&zeros);
        // The target itself may hold gigabytes of zeros.
        walk_as(&packed, How::At, limits.clone(), |walk, done| {
            assert!(done.is_ok());
            assert_eq!(walk.seen[0].bytes.len(), zeros.len());
        });
        for how in [How::At, How::Stream] {
            walk_as(
                &tar_of(&[("bomb", &packed), ("b", b"2")]),
                how,
                limits.clone(),
                |walk, done| {
                    assert!(done.is_ok(), "the walk goes on behind a bomb");
                    assert_eq!(walk.names(), ["bomb", "b"]);
                    let read = walk.seen[0].bytes.len() as u64;
                    assert!((floor..floor + (1 << 20)).contains(&read), "{read}");
                    assert!(
                        walk.inside[0].contains("bytes decompressed from its stored bytes: limit")
                    );
                },
            );
        }
    }
}

#[test]
fn bombs_end_at_the_total() {
    let limits = Limits { decoded_bytes: 3 << 20, ..Limits::default() };
    let once = gzip_of(&vec![0; 2 << 20]);
    let twice = gzip_of(&gzip_of(&vec![0; 1 << 20]));
    walk_as(
        &tar_of(&[("a", &once), ("b", &once), ("c", &twice)]),
        How::Stream,
        limits,
        |walk, done| {
            assert!(done.is_ok());
            assert_eq!(walk.seen[0].bytes.len(), 2 << 20);
            assert!(walk.seen[1].bytes.len() <= 1 << 20);
            assert!(walk.inside[0].contains("limit of 3145728 reached"), "{}", walk.inside[0]);
        },
    );
    let limits = Limits { decoded_bytes: 100, ..Limits::default() };
    walk_as(&once, How::At, limits, |_, done| {
        let error = done.unwrap_err();
        assert!(matches!(error.cause, Cause::Limit { limit: 100, .. }));
        assert_eq!(error.diagnostic("x").code, Code::LimitReached);
    });
}

#[test]
fn every_truncation_gives_what_came_before() {
    let text = noise(1, 3000);
    for (name, pack) in PACKERS {
        let packed = pack(&text);
        for cut in 20..packed.len() {
            if container_of(&packed[..cut]).is_none() {
                continue;
            }
            let (seen, problems, error) = walk(&packed[..cut]);
            assert!(text.starts_with(&seen[0].bytes), "{name} cut at {cut}");
            // xz ends with an index, which holds nothing of the file.
            assert!(error.is_some() || !problems.is_empty(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn dictionaries_beyond_64_mib_are_refused_before_they_are_made() {
    let options = |dictionary| {
        let mut options = lzma_rust2::XzOptions::with_preset(0);
        options.lzma_options.dict_size = dictionary;
        options
    };
    assert_eq!(walk(&xz_with(options(1 << 20), b"text")).0[0].bytes, b"text");
    // The dictionary is one byte of the filter's flags (.xz 1.2.1, 5.3.1): 40 is 4 GiB - 1.
    let mut packed = xz_of(b"text");
    assert_eq!(packed[14..16], [0x21, 1], "LZMA2 and a byte of flags");
    for (flags, fits) in [(28, true), (29, false), (40, false)] {
        packed[16] = flags;
        let sum = crc32fast::hash(&packed[12..20]);
        packed[20..24].copy_from_slice(&sum.to_le_bytes());
        match walk(&packed) {
            (seen, _, None) => assert!(fits && seen[0].bytes == b"text"),
            (.., Some(error)) => {
                assert!(!fits && error.contains("bytes of the dictionary: limit of 67108864"));
            }
        }
    }
}

/// Parts that others decode: as many as are sound, and none twice.
#[test]
fn parts_are_decoded_by_others_once() {
    let text = [noise(3, 150_000), vec![0; 150_000]].concat();
    let frames: Vec<u8> =
        text.chunks(60_000).flat_map(|part| ::zstd::bulk::compress(part, 1).unwrap()).collect();
    let members: Vec<u8> = text.chunks(20_000).flat_map(gzip_of).collect();
    for (packed, most_tasks) in [(frames, 5), (bgzip_of(&text), 5), (members, 5)] {
        let tasks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&tasks);
        let helpers = Helpers::new(4 << 17, 2, move |task| {
            counted.set(counted.get() + 1);
            task();
        });
        let budget = RefCell::new(Budget::new(Limits::default()));
        let mut walk = Walk::new(&budget);
        walk.helpers = Some(Rc::new(helpers));
        let body = Body::At(Extent::all(Source::bytes(packed.clone())));
        walk.open(container_of(&packed).unwrap(), body).unwrap();
        assert!(walk.seen[0].bytes == text);
        assert!((1..=most_tasks).contains(&tasks.get()), "{}", tasks.get());
    }
}

/// What looks like a member is tried ever less often, and what is one file is not searched for others.
#[test]
fn guesses_that_fail_are_few() {
    let tasks_of = |packed: Vec<u8>, text: &[u8]| {
        let tasks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&tasks);
        let helpers = Helpers::new(64 << 20, 2, move |task| {
            counted.set(counted.get() + 1);
            task();
        });
        let budget = RefCell::new(Budget::new(Limits::default()));
        let mut walk = Walk::new(&budget);
        walk.helpers = Some(Rc::new(helpers));
        let body = Body::At(Extent::all(Source::bytes(packed.clone())));
        walk.open(container_of(&packed).unwrap(), body).unwrap();
        assert!(walk.seen[0].bytes == text);
        tasks.get()
    };
    // Members of noise, which is stored as it is, with a small archive at every second place.
    let inner = gzip_of(b"a file in an archive in it");
    let one: Vec<u8> =
        (0..40).flat_map(|seed| [noise(seed, 5000), inner.clone()].concat()).collect();
    assert_eq!(tasks_of(gzip_of(&one), &one), 0);
    let large: Vec<u8> =
        (0..80).flat_map(|seed| [noise(seed, 90_000), inner.clone()].concat()).collect();
    let tasks = tasks_of(
        [gzip_of(b"first"), gzip_of(&large)].concat(),
        &[b"first".as_slice(), &large].concat(),
    );
    assert!(tasks <= 60, "{tasks}");
    let packed: Vec<u8> = (0..8).flat_map(|_| gzip_of(&large[..900_000])).collect();
    let tasks = tasks_of(packed, &large[..900_000].repeat(8));
    assert!(tasks <= 60, "{tasks}");
}

/// Helpers that do nothing cost nothing but time.
#[test]
fn tasks_may_be_dropped() {
    let packed = bgzip_of(&noise(4, 300_000));
    let budget = RefCell::new(Budget::new(Limits::default()));
    let mut walk = Walk::new(&budget);
    walk.helpers = Some(Rc::new(Helpers::new(4 << 17, 2, drop)));
    let body = Body::At(Extent::all(Source::bytes(packed.clone())));
    walk.open(container_of(&packed).unwrap(), body).unwrap();
    assert!(walk.seen[0].bytes == noise(4, 300_000));
}

/// Bytes of a block in the frames of [`zstd_in_blocks`], its header with it, where it is stored as it is.
const ZSTD_BLOCK: usize = 515;

/// A frame that tells its length, which has two bytes, in blocks of 512 bytes.
fn zstd_in_blocks(content: &[u8]) -> Vec<u8> {
    let mut zstd = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.window_log(15).unwrap();
    zstd.set_pledged_src_size(Some(content.len() as u64)).unwrap();
    zstd.include_contentsize(true).unwrap();
    for block in content.chunks(512) {
        zstd.write_all(block).unwrap();
        zstd.flush().unwrap();
    }
    zstd.finish().unwrap()
}

#[test]
fn of_a_bad_zstd_frame_all_is_made_that_stands_before_what_is_bad() {
    let content = noise(3, 40_000);
    let frame = zstd_in_blocks(&content);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0xb8, 0x0b, 0, 0][..], &[1; 3000]].concat();
    let before = [0, 11, 60_000, 65_535, 400_000].map(|len| noise(4, len));
    for block in [0, 1, 20, 77] {
        let mut bad = frame.clone();
        // Magic, descriptor, window and length of the content; then a block of the reserved type.
        bad[8 + block * ZSTD_BLOCK] |= 6;
        for before in &before {
            for first in [zstd_of(before), [&zstd_of(before)[..], &skippable].concat()] {
                let (seen, _, error) = walk(&[first.as_slice(), &bad].concat());
                let error = error.unwrap();
                assert!(error.contains("corruption"), "{error}");
                let made = &seen[0].bytes[before.len()..];
                assert!(made == &content[..block * 512], "{block}: {}", made.len());
            }
        }
    }
}

#[test]
fn how_far_a_bad_zstd_block_is_decoded_is_told_by_its_own_frame() {
    // Four bytes and a block that makes nine: with more room the library would notice it later.
    let bad = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 9 << 3 | 2 | 1, 0, 0, b'x'];
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0xb8, 0x0b, 0, 0][..], &[1; 3000]].concat();
    let of = |first: &[u8]| {
        let (seen, _, error) = walk(&[first, &bad].concat());
        let said = error.unwrap().rsplit(", ").next().unwrap().to_owned();
        (seen.first().map_or(0, |seen| seen.bytes.len()), said)
    };
    let alone = of(b"");
    for first in [skippable.clone(), zstd_of(b""), [zstd_of(b""), skippable].concat()] {
        assert_eq!(of(&first), alone);
    }
    let (made, said) = of(&zstd_of(&noise(5, 300_000)));
    assert_eq!((made - 300_000, said), alone);
}

#[test]
fn a_zstd_frame_that_reaches_far_beyond_its_window_is_bad_however_it_is_decoded() {
    let content = [noise(1, 20_000), noise(2, 10_000), noise(1, 10_000)].concat();
    let mut frame = zstd_in_blocks(&content);
    let (seen, _, error) = walk(&frame);
    assert_eq!((seen[0].bytes.as_slice(), error), (content.as_slice(), None));
    // The window of 32 KiB (RFC 8878 §3.1.1.1.2) is 1 KiB now.
    assert_eq!(frame[5], 5 << 3);
    frame[5] = 0;
    for first in [Vec::new(), zstd_of(&noise(6, 200_000)), zstd_of(b"small")] {
        let frames = [first, frame.clone(), zstd_of(b"behind it")].concat();
        let (_, _, error) = walk(&frames);
        assert!(error.is_some());
    }
}
