use std::io::Write as _;

use ::zip::CompressionMethod;
use ::zip::write::{SimpleFileOptions, ZipWriter};

use super::{How, PACKERS, noise, walk, walk_as};
use crate::archive::MemberKind;
use crate::diagnostic::Code;
use crate::limits::Limits;

pub(super) type Members<'a> = &'a [(&'a str, CompressionMethod, &'a [u8])];

/// A zip with sizes in front, or (as from a pipe) behind each member.
pub(super) fn zip_of(members: Members<'_>, streamed: bool) -> Vec<u8> {
    fn put<W: std::io::Write + std::io::Seek>(zip: &mut ZipWriter<W>, members: Members<'_>) {
        for (name, method, bytes) in members {
            let options = SimpleFileOptions::default().compression_method(*method);
            if name.ends_with('/') {
                zip.add_directory(*name, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
    }
    if streamed {
        let mut zip = ZipWriter::new_stream(Vec::new());
        put(&mut zip, members);
        zip.finish().unwrap().into_inner()
    } else {
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        put(&mut zip, members);
        zip.finish().unwrap().into_inner()
    }
}

#[test]
fn stored_and_deflated_members_come_back() {
    use CompressionMethod::{Deflated, Stored};
    let text = b"spring.datasource.password=".repeat(5000);
    let big = noise(1, 200_000);
    let members: Members<'_> = &[
        ("BOOT-INF/", Stored, b""),
        ("BOOT-INF/application.properties", Deflated, &text),
        ("BOOT-INF/empty", Deflated, b""),
        ("../big", Deflated, &big),
        ("BOOT-INF/lib.bin", Stored, &big),
    ];
    for streamed in [false, true] {
        // From a pipe nothing can be stored: its end could not be found.
        let members = if streamed { &members[..4] } else { members };
        let zip = zip_of(members, streamed);
        let (seen, problems, error) = walk(&zip);
        assert_eq!((problems, error), (vec![], None), "{streamed}");
        let names: Vec<_> = seen.iter().map(|seen| seen.name.as_str()).collect();
        let expected = ["BOOT-INF", members[1].0, members[2].0, "big", "BOOT-INF/lib.bin"];
        assert_eq!(names, expected[..members.len()]);
        assert_eq!(seen[0].kind, MemberKind::Folder);
        for (seen, (.., method, bytes)) in seen.iter().zip(members).skip(1) {
            assert_eq!(seen.bytes, *bytes, "{}", seen.name);
            let size = (*method == Stored).then_some(bytes.len() as u64);
            assert_eq!(seen.size, size);
        }
        walk_as(&zip, How::At, Limits::default(), |walk, _| {
            assert_eq!(walk.ranges, if streamed { usize::from(seen[0].size.is_some()) } else { 2 });
        });
    }
}

#[test]
fn every_truncation_gives_what_came_before() {
    let big = noise(1, 3000);
    let members: Members<'_> =
        &[("a", CompressionMethod::Deflated, &big), ("b", CompressionMethod::Deflated, b"bb")];
    for zip in [zip_of(members, false), zip_of(members, true)] {
        for cut in 4..zip.len() {
            let (seen, _, error) = walk(&zip[..cut]);
            assert!(error.is_some(), "cut at {cut} of {}", zip.len());
            if let Some(seen) = seen.first() {
                assert!(big.starts_with(&seen.bytes));
            }
        }
    }
}

#[test]
fn a_damaged_member_costs_itself_only() {
    let big = noise(1, 3000);
    let mut zip = zip_of(
        &[("a", CompressionMethod::Deflated, &big), ("b", CompressionMethod::Deflated, b"bb")],
        false,
    );
    zip[31..60].fill(0xff);
    let (seen, problems, error) = walk(&zip);
    assert_eq!(error, None);
    assert_eq!((seen[1].name.as_str(), seen[1].bytes.as_slice()), ("b", &b"bb"[..]));
    assert_eq!(
        (problems[0].code, problems[0].member.as_slice()),
        (Code::ContainerMalformed, &b"a"[..])
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut zip = zip_of(
        &[("a", CompressionMethod::Stored, b"aaa"), ("b", CompressionMethod::Stored, b"bb")],
        false,
    );
    zip[8] = 14; // LZMA
    let (seen, problems, error) = walk(&zip);
    assert_eq!((seen.len(), error), (2, None));
    assert_eq!((problems[0].code, problems[0].lost), (Code::MemberUnreadable, 0));
    assert_eq!(seen[0].bytes, b"aaa", "as it is stored");
    assert!(problems[0].message.contains("compressed by method 14"));
    zip[8] = 0;
    zip[6] |= 1;
    let (seen, problems, _) = walk(&zip);
    assert_eq!((seen.len(), problems[0].code, problems[0].lost), (1, Code::Encrypted, 3));
    // A member that the central directory does not name, and bytes behind the end.
    let zip = zip_of(&[("a", CompressionMethod::Stored, b"aaa")], false);
    let hidden = [&zip[..34], &zip, b"tail"].concat();
    let (seen, problems, error) = walk(&hidden);
    assert_eq!((seen.len(), error), (2, None));
    assert_eq!((problems[0].code, problems[1].code), (Code::ContainerMalformed, Code::StaleTail));
    assert_eq!((problems[1].offset, problems[1].lost), (hidden.len() as u64 - 4, 4));
}

#[test]
fn bombs_end_at_the_ratio_and_the_next_member_is_read() {
    let limits = Limits { expansion_floor: 1 << 20, expansion_ratio: 100, ..Limits::default() };
    let zeros = vec![0; 8 << 20];
    let zip = zip_of(
        &[("bomb", CompressionMethod::Deflated, &zeros), ("b", CompressionMethod::Deflated, b"bb")],
        false,
    );
    for how in [How::At, How::Stream] {
        walk_as(&zip, how, limits.clone(), |walk, done| {
            assert!(done.is_ok());
            assert_eq!(walk.codes(), [Code::LimitReached]);
            assert!(walk.seen[0].bytes.len() < 2 << 20);
            assert_eq!(walk.seen[1].bytes, b"bb");
        });
    }
}

#[test]
fn members_packed_by_other_methods_come_back() {
    let text = b"spring.datasource.url=".repeat(5000);
    for (method, pack) in [(12, PACKERS[2].1), (93, PACKERS[1].1), (95, PACKERS[3].1)] {
        let packed = pack(&text);
        let mut zip = zip_of(
            &[
                ("a", CompressionMethod::Stored, packed.as_slice()),
                ("b", CompressionMethod::Stored, b"bb"),
            ],
            false,
        );
        zip[8] = method;
        let (seen, problems, error) = walk(&zip);
        assert_eq!((problems, error), (vec![], None), "{method}");
        assert_eq!((&seen[0].bytes, seen[0].size), (&text, None));
        assert_eq!(seen[1].bytes, b"bb");
        // One that is cut costs itself only.
        let end = 31 + packed.len() - 20;
        zip[end..end + 20].fill(0);
        let (seen, problems, error) = walk(&zip);
        assert_eq!((seen[1].bytes.as_slice(), error), (&b"bb"[..], None), "{method}");
        assert!(!problems.is_empty() && text.starts_with(&seen[0].bytes));
    }
}
