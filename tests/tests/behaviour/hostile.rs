//! Checkpoints that somebody made to mislead or to overwhelm a scanner, and encrypted ones.

use std::io::Write;

use cryoscan::scan::Settings;
use cryoscan_proto as proto;
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer, hostile};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::{self, HEAP};
use cryoscan_tests::scanned::{Files, checked, revealing, scan, scan_bytes, scan_pipe};
use cryoscan_tests::values;

/// One process with a token in its heap.
fn heap_with(token: &str) -> Process {
    Process::new(7, "java").map(Mapping::noise(HEAP, 0x3000, 1).put(HEAP + 0x1800, token))
}

#[test]
fn impossible_pagemap_entries_are_left_out_and_told() {
    let token = values::github_token(&mut Random::new(80));
    for entry in [
        hostile::huge_count(HEAP + 0x10_0000),
        hostile::huge_count(0),
        hostile::address_overflow(),
        hostile::overlapping(HEAP + 0x1000),
        hostile::unaligned(HEAP + 0x10_0000),
    ] {
        let checkpoint = Checkpoint::new().process(heap_with(&token));
        let checkpoint = checkpoint.pagemap_entry(7, entry.clone());
        let archive = Archive::of(Producer::Runc, &checkpoint);
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = checked(&bytes);
            let part = scanned.whole();
            let told = part.notes("pagemap-inconsistent").chain(part.notes("pages-truncated"));
            let member = told.map(|note| note["member"].as_str().unwrap_or_default());
            assert!(member.count() > 0 && part.is_incomplete(), "{entry:?}");
            let places = part.places(token.as_bytes());
            assert_eq!(places.len(), 1, "{entry:?}");
            assert_eq!(places[0]["address"], format!("{:#x}", HEAP + 0x1800), "{entry:?}");
        }
    }
}

#[test]
fn pages_of_an_encrypted_set_are_no_text_and_never_called_clean() {
    let sample = samples::small();
    let checkpoint = sample.checkpoint.clone().encrypted();
    let archive = Archive::of(Producer::Podman, &checkpoint).member("ctr.log", "started\n");
    let token = values::npm_token(&mut Random::new(90));
    let archive = archive.rootfs_diff(&[("etc/npmrc", token.as_bytes())], false);
    let pages: usize = checkpoint
        .image_set()
        .iter()
        .filter(|(name, _)| name.starts_with("pages-"))
        .map(|(_, bytes)| bytes.len())
        .sum();
    for order in [Order::AsWritten, Order::Reversed] {
        let archive = archive.clone().order(order);
        for (form, bytes) in [("tar", archive.tar()), ("gzip", archive.gzip())] {
            let scanned = checked(&bytes);
            let part = scanned.whole();
            let form = format!("{form}, {order:?}");
            assert!(part.holds(&token), "{form}: files are scanned");
            assert!(sample.sown.iter().all(|sown| !part.holds(&sown.value)), "{form}");
            assert_eq!(part.skipped("encrypted"), pages as u64, "{form}");
            assert!(part.notes("encrypted").all(|note| note["level"] == "error"), "{form}");
            assert!(!scanned.outcome.complete, "{form}");
        }
    }
}

#[test]
fn encrypted_pages_that_decoding_made_are_in_no_ledger() {
    let sample = Checkpoint::new()
        .process(Process::new(1, "app").map(Mapping::noise(HEAP, 0x4000, 1)))
        .encrypted();
    let inner = Archive::of(Producer::Podman, &sample);
    for order in [Order::AsWritten, Order::Reversed] {
        let outer = Archive::default().member("in.tar.gz", inner.clone().order(order).gzip());
        for scanned in
            [scan_bytes(&outer.tar(), &revealing()), scan_pipe(&outer.tar(), &revealing())]
        {
            assert_eq!(scanned.whole().faults(), Vec::<String>::new());
            assert!(scanned.whole().notes("encrypted").count() > 0);
        }
    }
}

#[test]
fn a_set_that_is_told_late_to_be_encrypted_is_not_called_clean() {
    // In a stream the pages may be gone by then: noise was searched, nothing can be in it.
    let sample = samples::small();
    let cipher = sample.checkpoint.clone().encrypted().image_set();
    let (_, cipher) = cipher.into_iter().find(|(name, _)| name == "cipher.img").unwrap();
    let archive = Archive::of(Producer::Podman, &sample.checkpoint);
    let archive = archive.member("checkpoint/cipher.img", cipher);
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = checked(&bytes);
        assert!(scanned.whole().notes("encrypted").any(|note| note["level"] == "error"));
        assert!(!scanned.outcome.complete);
    }
}

#[test]
fn too_many_pages_before_their_pagemap_on_a_pipe_are_searched_one_by_one() {
    let mut random = Random::new(140);
    let (torn, inside) = (values::github_token(&mut random), values::github_token(&mut random));
    let heap =
        Mapping::zero(HEAP, 0x4000).put(HEAP + 0x1000 - 20, &torn).put(HEAP + 0x2800, &inside);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let tar = Archive::of(Producer::Runc, &checkpoint).order(Order::Reversed).tar();
    let mut settings = revealing();
    settings.limits.late_pages_bytes = 0x1000;
    let piped = scan_pipe(&tar, &settings);
    let part = piped.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    assert!(part.notes("late-metadata").count() == 1 && !piped.outcome.complete);
    assert!(!part.holds(&torn), "neighbours in the image only, perhaps");
    let place = &part.places(inside.as_bytes())[0];
    assert_eq!((&place["region"], &place["offset"]), (&"raw-image".into(), &0x2800.into()));
    settings.limits.late_pages_bytes = 1 << 20;
    let held = scan_pipe(&tar, &settings);
    assert!(held.whole().finding(torn.as_bytes()).is_some() && held.outcome.complete);
}

#[test]
fn a_bomb_stops_at_the_limit_and_costs_nothing_else() {
    let sample = samples::small();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 16 << 20]).unwrap();
    let bomb = gzip.finish().unwrap();
    let token = values::npm_token(&mut Random::new(100));
    let files = [("a/bomb.gz", bomb.as_slice()), ("b/npmrc", token.as_bytes())];
    let archive = sample.archive.rootfs_diff(&files, false);
    let mut settings = revealing();
    settings.limits.expansion_floor = 1 << 20;
    settings.limits.expansion_ratio = 100;
    let scanned = scan_bytes(&archive.tar(), &settings);
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    let told = part.notes("limit-reached").next().unwrap();
    assert_eq!(told["member"], "rootfs-diff.tar!a/bomb.gz");
    assert!(part.holds(&token) && !scanned.outcome.complete);
    assert!(part.of("coverage").all(|coverage| coverage["decoded"].as_u64() < Some(4 << 20)));
}

#[test]
fn an_archive_of_too_many_members_leaves_the_rest_its_share() {
    let sample = samples::small();
    let mut many = Archive::default();
    for number in 0..3000 {
        many = many.member(&number.to_string(), "");
    }
    let (many, token) = (many.tar(), values::npm_token(&mut Random::new(160)));
    let files =
        [("a/many.tar", many.as_slice()), ("b/many.tar", &many), ("c/npmrc", token.as_bytes())];
    let archive = sample.archive.rootfs_diff(&files, false).member("ctr.log", token.clone());
    let mut settings = revealing();
    settings.limits.members = 2000;
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = scan_bytes(&bytes, &settings);
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new());
        let told: Vec<_> = part.notes("limit-reached").map(|note| &note["member"]).collect();
        assert_eq!(told, ["rootfs-diff.tar!a/many.tar", "rootfs-diff.tar!b/many.tar"]);
        let mut paths = part.places(token.as_bytes()).iter().map(|place| &place["path"]);
        assert!(paths.any(|path| path == "rootfs-diff.tar!c/npmrc"), "what stands behind them");
        assert!(sample.sown.iter().all(|sown| part.holds(&sown.value)));
        assert!(!scanned.outcome.complete);
    }
}

#[test]
fn small_bombs_in_a_compressed_file_are_one_large_bomb() {
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let small = gzip(&vec![0; 1 << 20]);
    let mut inner = Archive::default();
    for number in 0..64 {
        inner = inner.member(&number.to_string(), small.clone());
    }
    let mut random = Random::new(170);
    let (within, behind) = (values::npm_token(&mut random), values::npm_token(&mut random));
    let inner = gzip(&inner.member("npmrc", within.clone()).tar());
    let files = [("a/bombs.tgz", inner.as_slice()), ("b/npmrc", behind.as_bytes())];
    let archive = samples::small().archive.rootfs_diff(&files, false);
    let mut settings = revealing();
    settings.limits.expansion_floor = 256 << 10;
    settings.limits.expansion_ratio = 10;
    let scanned = scan_bytes(&archive.tar(), &settings);
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    assert!(part.holds(&within) && part.holds(&behind) && !scanned.outcome.complete);
    // Each may make 256 KiB of zeros, all together 16 times that.
    let decoded = part.of("coverage").filter_map(|coverage| coverage["decoded"].as_u64());
    let decoded: u64 = decoded.sum();
    assert!(((3 << 20)..(5 << 20)).contains(&decoded), "{decoded}");
}

#[test]
fn archives_inside_of_archives_end_at_the_limit() {
    let mut random = Random::new(110);
    let mut tokens = Vec::new();
    let mut inner = Archive::default();
    for depth in (0..20).rev() {
        let token = values::npm_token(&mut random);
        let name = format!("token-{depth}");
        inner = inner.member(&name, token.as_bytes());
        tokens.push(token);
        inner = Archive::default().member("inner.tar", inner.tar());
    }
    tokens.reverse();
    let archive = samples::small().archive.member("rootfs-diff.tar", inner.tar());
    let scanned = checked(&archive.tar());
    let part = scanned.whole();
    assert_eq!(part.notes("limit-reached").count(), 1, "{:?}", scanned.lines);
    assert!(part.finding(tokens[0].as_bytes()).is_some(), "the outer ones are scanned");
    assert!(part.is_incomplete());
}

#[test]
fn members_of_one_name_are_all_scanned() {
    let mut random = Random::new(120);
    let (old, new) = (values::npm_token(&mut random), values::npm_token(&mut random));
    let archive = samples::small().archive;
    let archive = archive.member("ctr.log", old.clone()).member("ctr.log", new.clone());
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = checked(&bytes);
        let part = scanned.whole();
        assert!(part.holds(&old) && part.holds(&new));
        let told = part.notes("duplicate-member").next().map(|note| note["member"].as_str());
        assert_eq!(told, Some(Some("ctr.log")));
    }
}

#[test]
fn pages_of_one_name_are_all_accounted_for() {
    let sample = samples::small();
    let images = sample.checkpoint.image_set();
    for again in ["pages-2.img", "pagemap-1.img", "mm-1.img", "inventory.img"] {
        let (_, bytes) = images.iter().find(|(name, _)| name == again).unwrap();
        let archive = sample.archive.clone().member(&format!("checkpoint/{again}"), bytes.clone());
        for bytes in [archive.tar(), archive.gzip()] {
            let scanned = checked(&bytes);
            assert!(
                sample.sown.iter().all(|sown| scanned.whole().holds(&sown.value)),
                "{again} twice"
            );
        }
    }
}

#[test]
fn bytes_behind_the_end_mark_are_told() {
    let archive = samples::small().archive.stale_tail(&[b'x'; 3000]);
    for bytes in [archive.tar(), archive.gzip()] {
        let scanned = checked(&bytes);
        let told = scanned.whole().notes("stale-tail").next().unwrap();
        assert_eq!(told["level"], "warning");
        assert!(told["offset"].as_u64().unwrap() > 0x6000, "{told}");
    }
}

#[test]
fn metadata_that_are_no_json_are_scanned_as_text() {
    let token = values::npm_token(&mut Random::new(130));
    let sample = samples::small();
    for (name, text) in [
        ("spec.dump", format!("{{\"process\": {{\"env\": [\"{token}\"")),
        ("config.dump", format!("\u{0}\u{1}{token}")),
        ("config.dump", format!("[{}{token}", "[".repeat(100_000))),
        ("status.dump", format!("{{\"id\": \"{token}")),
    ] {
        let archive = sample.archive.clone().member(name, text);
        let scanned = checked(&archive.tar());
        let part = scanned.whole();
        assert!(part.holds(&token), "{name}");
        let told = part.notes("metadata-malformed").next();
        assert_eq!(told.map(|note| note["member"].as_str()), Some(Some(name)), "{name}");
        assert!(sample.sown.iter().all(|sown| part.holds(&sown.value)));
    }
}

#[test]
fn a_limit_of_the_findings_keeps_the_same_ones_whatever_the_threads() {
    let sample = samples::rich();
    let tar = sample.archive.tar();
    let files = Files::new();
    let path = files.add("rich.tar", &tar);
    let limited = |threads, window| {
        let mut settings = Settings { threads, window, ..revealing() };
        settings.limits.findings = 5;
        settings.limits.diagnostics_per_code = 1;
        scan(&[&path], &settings)
    };
    let one = limited(1, 4 << 20);
    assert_eq!(one.whole().faults(), Vec::<String>::new());
    assert!(one.whole().notes("limit-reached").count() == 1 && !one.outcome.complete);
    for (threads, window) in [(2, 64 << 10), (8, 128 << 10)] {
        assert_eq!(limited(threads, window).lines, one.lines);
    }
}

/// What a record of an image says of the bytes behind it, as a message of this image.
struct Promise {
    image: &'static str,
    /// Of criu/include/magic.h.
    magic: u32,
    /// A good record with its bytes, made around a text.
    good: fn(&str) -> Vec<u8>,
    /// Records that say more than there is.
    hostile: Vec<Vec<u8>>,
}

/// A message with its size before it.
fn framed(message: &impl prost::Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    [&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes()[..], &body].concat()
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Every image in which a record says how many bytes follow it.
fn promises() -> Vec<Promise> {
    const HUGE: u32 = u32::MAX;
    let pipe = |bytes| {
        framed(&proto::PipeDataEntry { pipe_id: Some(3), bytes: Some(bytes), size: Some(65536) })
    };
    let packet = |length| {
        let entry =
            proto::SkPacketEntry { id_for: Some(3), length: Some(length), ..<_>::default() };
        framed(&entry)
    };
    let tcp = |inq, outq| {
        let (inq_len, outq_len) = (Some(inq), Some(outq));
        framed(&proto::TcpStreamEntry { inq_len, outq_len, ..<_>::default() })
    };
    let ghost = |chunks| {
        let size = Some(1 << 63);
        framed(&proto::GhostFileEntry { mode: Some(0o100_600), size, chunks, ..<_>::default() })
    };
    let chunk = |len, off| framed(&proto::GhostChunkEntry { len: Some(len), off: Some(off) });
    let queue =
        |qnum| framed(&proto::IpcMsgEntry { qnum: Some(qnum), ..proto::IpcMsgEntry::default() });
    let message = |msize| framed(&proto::IpcMsg { mtype: Some(1), msize: Some(msize) });
    let map = |keys, values| {
        let (keys_bytes, values_bytes) = (Some(keys), Some(values));
        let (map_id, count) = (Some(3), Some(1));
        framed(&proto::BpfmapDataEntry { map_id, keys_bytes, values_bytes, count })
    };
    vec![
        Promise {
            image: "pipes-data.img",
            magic: 0x5645_3709,
            good: |text| {
                let bytes = Some(length(text));
                let head = proto::PipeDataEntry { pipe_id: Some(9), bytes, size: Some(65536) };
                [framed(&head), text.into()].concat()
            },
            hostile: vec![pipe(HUGE), pipe(1 << 31)],
        },
        Promise {
            image: "fifo-data.img",
            magic: 0x5933_3054,
            good: |text| {
                let bytes = Some(length(text));
                let head = proto::PipeDataEntry { pipe_id: Some(9), bytes, size: Some(65536) };
                [framed(&head), text.into()].concat()
            },
            hostile: vec![pipe(HUGE), pipe(1 << 31)],
        },
        Promise {
            image: "sk-queues.img",
            magic: 0x5626_4026,
            good: |text| {
                let length = Some(length(text));
                let head = proto::SkPacketEntry { id_for: Some(9), length, ..<_>::default() };
                [framed(&head), text.into()].concat()
            },
            hostile: vec![packet(HUGE), packet(1 << 31)],
        },
        Promise {
            image: "tcp-stream-1f.img",
            magic: 0x5146_5506,
            good: |_| Vec::new(),
            hostile: vec![tcp(HUGE, HUGE), tcp(HUGE, 0), tcp(0, HUGE), tcp(1 << 31, 1 << 31)],
        },
        Promise {
            image: "ghost-file-1.img",
            magic: 0x5258_3605,
            good: |_| Vec::new(),
            hostile: vec![
                [ghost(Some(true)), chunk(1 << 63, 0)].concat(),
                [ghost(Some(true)), chunk(u64::MAX, u64::MAX)].concat(),
                [ghost(Some(true)), chunk(9, 1 << 63), vec![b'x'; 9], chunk(1 << 40, 0)].concat(),
            ],
        },
        Promise {
            image: "ipcns-msg-7.img",
            magic: 0x5545_3737,
            good: |text| {
                let head = proto::IpcMsgEntry { qnum: Some(1), ..proto::IpcMsgEntry::default() };
                let message = proto::IpcMsg { mtype: Some(1), msize: Some(length(text)) };
                let mut bytes = [framed(&head), framed(&message), text.into()].concat();
                let padding = text.len().next_multiple_of(8) - text.len();
                bytes.extend(vec![0; padding]);
                bytes
            },
            hostile: vec![
                queue(HUGE),
                [queue(HUGE), message(0).repeat(3)].concat(),
                [queue(1), message(HUGE)].concat(),
                [queue(2), message(u32::MAX - 6)].concat(),
            ],
        },
        Promise {
            image: "bpfmap-data.img",
            magic: 0x6432_4033,
            good: |text| {
                let (keys_bytes, values_bytes) = (Some(4), Some(length(text)));
                let (map_id, count) = (Some(9), Some(1));
                let head = proto::BpfmapDataEntry { map_id, keys_bytes, values_bytes, count };
                [framed(&head), vec![0; 4], text.into()].concat()
            },
            hostile: vec![map(HUGE, HUGE), [map(4, HUGE), vec![0; 4]].concat(), map(HUGE, 1)],
        },
    ]
}

#[test]
fn lengths_of_kernel_buffers_that_cannot_be_are_told_and_the_rest_is_scanned() {
    let mut random = Random::new(150);
    let heap = values::github_token(&mut random);
    let files = Files::new();
    let (mut paths, mut cases) = (Vec::new(), Vec::new());
    for Promise { image, magic, good, hostile } in promises() {
        for (index, record) in hostile.iter().enumerate() {
            let (before, behind) = (values::npm_token(&mut random), values::npm_token(&mut random));
            let good = good(&format!("\n{before}\n"));
            let has_good = !good.is_empty();
            let head = [0x5456_4319_u32, magic].map(u32::to_le_bytes).concat();
            let content = [head, good, record.clone(), format!("\n{behind}\n").into()].concat();
            let checkpoint = Checkpoint::new().process(heap_with(&heap)).file(image, content);
            let archive = Archive::of(Producer::Runc, &checkpoint);
            paths.push(files.add(&format!("{index}-{image}.tar"), &archive.tar()));
            cases.push((image, index, has_good.then_some(before), behind));
        }
    }
    let paths: Vec<&std::path::Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
    let scanned = scan(&paths, &revealing());
    for (part, (image, index, before, behind)) in scanned.parts(&paths).iter().zip(&cases) {
        let case = format!("{image}, record {index}");
        assert_eq!(part.faults(), Vec::<String>::new(), "{case}");
        assert_eq!(part.places(heap.as_bytes()).len(), 1, "{case}: memory is scanned");
        assert!(before.iter().all(|value| part.holds(value)), "{case}: what came before");
        assert!(part.holds(behind), "{case}: what the record says to be longer");
        let named = |note: &&serde_json::Value| {
            note["member"].as_str().is_some_and(|member| member.ends_with(image))
        };
        assert!(part.of("diagnostic").any(|note| named(&note)), "{case}: not told");
        assert!(part.is_incomplete(), "{case}: called complete");
    }
}
