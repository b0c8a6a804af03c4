use super::{How, Seen, gzip_of, noise, tar_of, walk, walk_as, zstd_of};
use crate::archive::{Cause, MemberKind, Stream};
use crate::diagnostic::{Code, Level};
use crate::limits::Limits;

/// A header block made by hand.
pub(super) fn header(
    kind: u8,
    name: &str,
    size: u64,
    change: impl FnOnce(&mut [u8; 512]),
) -> Vec<u8> {
    let mut block = [0; 512];
    let put = |block: &mut [u8; 512], at: usize, text: &str| {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(&mut block, 0, name);
    put(&mut block, 100, "0000600\0");
    put(&mut block, 124, &format!("{size:011o}\0"));
    put(&mut block, 136, "00000000017\0");
    block[156] = kind;
    put(&mut block, 257, "ustar\x0000");
    change(&mut block);
    let mut sum: u32 = 8 * 32;
    for (at, byte) in block.iter().enumerate() {
        if !(148..156).contains(&at) {
            sum += u32::from(*byte);
        }
    }
    put(&mut block, 148, &format!("{sum:06o}\0 "));
    block.to_vec()
}

pub(super) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(512), 0);
    padded
}

pub(super) fn member(kind: u8, name: &str, bytes: &[u8]) -> Vec<u8> {
    [header(kind, name, bytes.len() as u64, |_| ()), padded(bytes)].concat()
}

pub(super) fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut len = rest.len() + 1;
        while len != rest.len() + len.to_string().len() {
            len += 1;
        }
        text = text + &len.to_string() + &rest;
    }
    member(kind, "PaxHeaders/x", text.as_bytes())
}

pub(super) fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), vec![0; 1024]].concat()
}

fn one(parts: &[Vec<u8>]) -> Seen {
    let (mut seen, problems, error) = walk(&archive(parts));
    assert_eq!((seen.len(), problems, error), (1, vec![], None));
    seen.remove(0)
}

#[test]
fn what_the_tar_crate_writes_comes_back() {
    let long = "directory/".repeat(30) + "file";
    let big = noise(1, 70_000);
    let mut tar = ::tar::Builder::new(Vec::new());
    let mut put = |name: &str, kind, link: Option<&str>, bytes: &[u8]| {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mtime(5);
        match link {
            Some(link) => tar.append_link(&mut header, name, link).unwrap(),
            None => tar.append_data(&mut header, name, bytes).unwrap(),
        }
    };
    put("./checkpoint/", ::tar::EntryType::Directory, None, b"");
    put("./checkpoint/pages-1.img", ::tar::EntryType::Regular, None, &big);
    put("empty", ::tar::EntryType::Regular, None, b"");
    put(&long, ::tar::EntryType::Regular, None, b"deep");
    put("parent", ::tar::EntryType::Symlink, Some("../1"), b"");
    put(&format!("{long}2"), ::tar::EntryType::Link, Some(&long), b"");
    put("null", ::tar::EntryType::Char, None, b"");
    let tar = tar.into_inner().unwrap();

    let (seen, problems, error) = walk(&tar);
    assert_eq!((problems, error), (vec![], None));
    let expected = [
        ("checkpoint", MemberKind::Folder, &b""[..]),
        ("checkpoint/pages-1.img", MemberKind::File, &big),
        ("empty", MemberKind::File, b""),
        (&long, MemberKind::File, b"deep"),
        ("parent", MemberKind::Symlink(b"../1".to_vec()), b""),
        (&format!("{long}2"), MemberKind::Hardlink(long.clone().into_bytes()), b""),
        ("null", MemberKind::Other, b""),
    ];
    assert_eq!(seen.len(), expected.len());
    for (seen, (name, kind, bytes)) in seen.iter().zip(expected) {
        assert_eq!((seen.name.as_str(), &seen.kind), (name, &kind));
        assert_eq!((seen.size, seen.mtime), (Some(bytes.len() as u64), Some(5)));
        assert_eq!(seen.bytes, bytes);
    }
    // Nothing is copied where there is a range to point to.
    walk_as(&tar, How::At, Limits::default(), |walk, _| assert_eq!(walk.ranges, 7));
    walk_as(&tar, How::Stream, Limits::default(), |walk, _| assert_eq!(walk.ranges, 0));
}

#[test]
fn headers_of_all_ages() {
    let v7 = header(0, "old", 3, |block| block[257..265].fill(0));
    assert_eq!(one(&[v7, padded(b"abc")]).bytes, b"abc");
    let v7_folder = header(0, "old/", 0, |block| block[257..265].fill(0));
    assert_eq!(one(&[v7_folder]).kind, MemberKind::Folder);
    let prefix = header(b'0', "name", 0, |block| block[345..350].copy_from_slice(b"a/b/c"));
    assert_eq!(one(&[prefix]).name, "a/b/c/name");
    let gnu = header(b'0', "name", 0, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..350].copy_from_slice(b"01234"); // A time, not a prefix.
    });
    assert_eq!(one(&[gnu]).name, "name");
    let base_256 = header(b'0', "big", 0, |block| {
        block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
        block[136..148].fill(0xff); // One second before 1970.
    });
    let seen = one(&[base_256, padded(b"abc")]);
    assert_eq!((seen.bytes.as_slice(), seen.mtime), (&b"abc"[..], Some(-1)));
    // An unknown type is a file (POSIX); the type of a link makes its size void (Go).
    assert_eq!(one(&[member(b'?', "what", b"abc")]).bytes, b"abc");
    assert_eq!(one(&[header(b'2', "link", 9000, |_| ())]).size, Some(0));
}

#[test]
fn extended_headers() {
    let long = "é".repeat(2000);
    let seen = one(&[
        pax(b'x', &[("path", &long), ("mtime", "1700000000.123"), ("size", "3")]),
        header(b'0', "short", 0, |_| ()),
        padded(b"abc"),
    ]);
    assert_eq!((seen.name.as_str(), seen.mtime), (long.as_str(), Some(1_700_000_000)));
    assert_eq!(seen.bytes, b"abc");

    let target = "t".repeat(300);
    let seen = one(&[pax(b'x', &[("linkpath", &target)]), header(b'2', "link", 0, |_| ())]);
    assert_eq!(seen.kind, MemberKind::Symlink(target.clone().into_bytes()));
    let seen = one(&[
        member(b'K', "././@LongLink", format!("{target}\0").as_bytes()),
        member(b'L', "././@LongLink", b"/long/../name\0"),
        header(b'2', "link", 0, |_| ()),
    ]);
    assert_eq!(seen.kind, MemberKind::Symlink(target.into_bytes()));
    assert_eq!(seen.name, "long/name");

    let (seen, problems, error) = walk(&archive(&[
        pax(b'g', &[("mtime", "7"), ("comment", "a hash")]),
        member(b'0', "a", b""),
        pax(b'x', &[("mtime", "8")]),
        member(b'0', "b", b""),
        member(b'0', "c", b""),
    ]));
    assert_eq!((problems, error), (vec![], None));
    assert_eq!(seen.iter().map(|seen| seen.mtime).collect::<Vec<_>>(), [Some(7), Some(8), Some(7)]);
}

#[test]
fn bad_extended_headers_do_not_hide_the_member() {
    let (seen, problems, error) =
        walk(&archive(&[member(b'x', "x", b"99 path=b\n"), member(b'0', "a", b"1")]));
    assert_eq!((seen[0].name.as_str(), problems[0].code), ("a", Code::ContainerMalformed));
    assert_eq!((problems[0].offset, error), (512, None));

    let long = vec![b'n'; (1 << 20) + 1];
    let (seen, problems, error) =
        walk(&archive(&[member(b'L', "L", &long), member(b'0', "a", b"")]));
    assert_eq!((seen[0].name.as_str(), problems[0].code), ("a", Code::LimitReached));
    assert_eq!((problems[0].lost, error), (1_048_577, None));
    let longest = vec![b'n'; 1 << 20];
    let seen = one(&[member(b'L', "L", &longest), member(b'0', "a", b"")]);
    assert_eq!(seen.name.len(), Limits::default().name_bytes);
}

#[test]
fn every_truncation_gives_what_came_before() {
    let bodies = [noise(1, 3000), noise(2, 100), noise(3, 5000)];
    let tar = tar_of(&[("a", &bodies[0]), ("b", &bodies[1]), ("c", &bodies[2])]);
    for (whole, step) in [(tar.clone(), 37), (gzip_of(&tar), 83), (zstd_of(&tar), 83)] {
        for cut in (513..whole.len()).step_by(step) {
            let (seen, problems, error) = walk(&whole[..cut]);
            if let [Seen { name, bytes, .. }] = seen.as_slice()
                && name.is_empty()
            {
                // Compressed, and not enough of it to see the tar: zstd works by blocks.
                assert!(tar.starts_with(bytes) && error.is_some());
                continue;
            }
            for (seen, (name, body)) in seen.iter().zip(["a", "b", "c"].iter().zip(&bodies)) {
                assert_eq!(seen.name, *name);
                assert_eq!(seen.size, Some(body.len() as u64));
                assert!(body.starts_with(&seen.bytes));
            }
            // Every member but the last one is whole.
            for (seen, body) in seen.iter().rev().skip(1).rev().zip(&bodies) {
                assert_eq!(seen.bytes, *body);
            }
            let said = error.is_some() || !problems.is_empty();
            assert!(said || cut >= whole.len() - 1024, "cut at {cut}: nothing said");
        }
    }
    // The numbers: 700 bytes of the 3000.
    let error = walk(&tar[..512 + 700]).2.unwrap();
    assert_eq!(error, "tar at byte 0x4bc: expected 3000 more bytes, found 700");
    // At a border of members only the end mark is missing.
    let (seen, problems, error) = walk(&tar[..512 + 3072]);
    assert_eq!((seen.len(), error), (1, None));
    assert_eq!((problems[0].code, problems[0].level), (Code::ContainerTruncated, Level::Error));
}

#[test]
fn the_end_mark_ends() {
    let tar = archive(&[member(b'0', "a", b"1")]);
    let padding = [tar.clone(), vec![0; 8 << 10]].concat();
    assert_eq!(walk(&padding).1, []);
    // A second archive behind the end mark is not read, and said.
    let stale = [tar.clone(), vec![0; 512], tar, vec![0; 99]].concat();
    let (seen, problems, error) = walk(&stale);
    assert_eq!((seen.len(), error), (1, None));
    assert_eq!((problems[0].code, problems[0].offset), (Code::StaleTail, 2560));
    assert_eq!(problems[0].lost, stale.len() as u64 - 2560);
    // One block of zeros is no end mark.
    let single = archive(&[member(b'0', "a", b"1"), vec![0; 512], member(b'0', "b", b"2")]);
    let (seen, problems, _) = walk(&single);
    assert_eq!((seen.len(), problems[0].code), (2, Code::ContainerMalformed));
    assert_eq!(problems[0].offset, 1024);
}

#[test]
fn a_damaged_header_costs_its_member_only() {
    let mut tar = archive(&[
        member(b'0', "a", b"1"),
        member(b'0', "b", &noise(4, 2000)),
        member(b'0', "c", b"3"),
    ]);
    tar[1024 + 20] ^= 1;
    let (seen, problems, error) = walk(&tar);
    assert_eq!(error, None);
    assert_eq!(seen.iter().map(|seen| seen.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let [problem] = problems.try_into().unwrap();
    assert_eq!((problem.code, problem.level), (Code::ContainerMalformed, Level::Error));
    assert_eq!((problem.offset, problem.lost), (1024, 512 + 2048));
    assert!(problem.expected.unwrap().starts_with("header checksum "));
    // With nothing sound behind it the walk ends there.
    tar.truncate(1024 + 512 + 2048);
    let error = walk(&tar).2.unwrap();
    assert!(
        error.contains("expected header checksum") && error.ends_with("at byte 0x400"),
        "{error}"
    );
}

#[test]
fn the_search_for_a_sound_header_is_bounded() {
    use std::io::Read as _;
    let bad = vec![1; 512];
    let start = [member(b'0', "a", b"1"), bad].concat();
    let budget = std::cell::RefCell::new(crate::limits::Budget::new(Limits::default()));
    let mut walk = super::Walk::new(&budget);
    let mut endless = start.chain(std::io::repeat(b'x'));
    let tar = crate::archive::container_of(&start).unwrap();
    let error =
        walk.open(tar, crate::archive::Body::Stream(Stream::new(&mut endless))).unwrap_err();
    assert!(matches!(error.cause, Cause::Malformed { .. }));
    assert!((256 << 20..257 << 20).contains(&error.consumed));
}

#[test]
fn hostile_sizes() {
    let size = |bytes: [u8; 12]| {
        header(b'0', "a", 0, move |block| block[124..136].copy_from_slice(&bytes))
    };
    // 2^63 does not fit, 2^63 - 1 is not there.
    let two_63 = size([0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    let (seen, problems, _) =
        walk(&archive(&[member(b'0', "first", b""), two_63, member(b'0', "b", b"2")]));
    assert_eq!((seen.len(), problems[0].code), (2, Code::ContainerMalformed));
    assert_eq!(problems[0].expected.as_deref(), Some("a size"));
    let most = size([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]);
    let (seen, _, error) = walk(&archive(&[most, vec![b'x'; 1024]]));
    assert_eq!((seen[0].size, seen[0].bytes.len()), (Some(u64::MAX >> 1), 2048));
    assert_eq!(
        error.unwrap(),
        "tar at byte 0xa00: expected 9223372036854775807 more bytes, found 2048"
    );
    // A size in an extended header beats the one in the header.
    let (seen, _, error) =
        walk(&archive(&[pax(b'x', &[("size", "9223372036854775807")]), member(b'0', "b", b"2")]));
    assert_eq!((seen.len(), error.is_some()), (1, true));
}

#[test]
fn bodies_that_are_not_read_are_skipped() {
    let tar = tar_of(&[("a", &noise(1, 100_000)), ("b", &noise(2, 10)), ("c", &noise(3, 99_999))]);
    for how in [How::At, How::Stream] {
        for most in [0, 1, 70_000] {
            let budget = std::cell::RefCell::new(crate::limits::Budget::new(Limits::default()));
            let mut walk = super::Walk::new(&budget);
            walk.most = most;
            let container = crate::archive::container_of(&tar).unwrap();
            let source = crate::archive::Source::bytes(tar.clone());
            let done = match how {
                How::At | How::Ahead => walk
                    .open(container, crate::archive::Body::At(crate::archive::Extent::all(source))),
                How::Stream => walk.open(
                    container,
                    crate::archive::Body::Stream(Stream::new(&mut tar.as_slice())),
                ),
            };
            assert_eq!(done.unwrap().bytes, tar.len() as u64);
            assert_eq!(walk.names(), ["a", "b", "c"]);
        }
    }
}
