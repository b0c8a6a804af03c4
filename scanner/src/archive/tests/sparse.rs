//! Sparse members of tar, in all four forms that GNU tar has written.

use std::cell::RefCell;
use std::io::{self, Read as _};

use super::tars::{archive, header, member, padded, pax};
use super::{Seen, noise, walk};
use crate::archive::{
    Body, Extent, Flow, Member, MemberKind, Opening, Problem, Source, Stream, Visitor, container_of,
};
use crate::diagnostic::{Code, Level};
use crate::limits::{Budget, Limits};

/// Ranges that are stored, and the size of the file.
type Map = (Vec<(u64, u64)>, u64);

fn octal(number: u64) -> Vec<u8> {
    if number >> 33 == 0 {
        return format!("{number:011o}\0").into_bytes();
    }
    [&[0x80, 0, 0, 0], number.to_be_bytes().as_slice()].concat()
}

fn entries(ranges: &[(u64, u64)]) -> Vec<u8> {
    ranges.iter().flat_map(|(at, len)| [octal(*at), octal(*len)].concat()).collect()
}

fn old_gnu((ranges, size): &Map, data: &[u8]) -> Vec<u8> {
    let (first, rest) = ranges.split_at(ranges.len().min(4));
    let mut out = header(b'S', "hole", data.len() as u64, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        let first = entries(first);
        block[386..386 + first.len()].copy_from_slice(&first);
        block[482] = u8::from(!rest.is_empty());
        block[483..495].copy_from_slice(&octal(*size));
    });
    let blocks: Vec<_> = rest.chunks(21).collect();
    for (index, chunk) in blocks.iter().enumerate() {
        let mut block = entries(chunk);
        block.resize(512, 0);
        block[504] = u8::from(index + 1 < blocks.len());
        out.extend(block);
    }
    [out, padded(data)].concat()
}

fn pax_0_0((ranges, size): &Map, data: &[u8]) -> Vec<u8> {
    let mut records = vec![
        ("GNU.sparse.size", size.to_string()),
        ("GNU.sparse.numblocks", ranges.len().to_string()),
    ];
    for (at, len) in ranges {
        records.push(("GNU.sparse.offset", at.to_string()));
        records.push(("GNU.sparse.numbytes", len.to_string()));
    }
    let records: Vec<_> = records.iter().map(|(key, value)| (*key, value.as_str())).collect();
    [pax(b'x', &records), member(b'0', "hole", data)].concat()
}

fn pax_0_1((ranges, size): &Map, data: &[u8]) -> Vec<u8> {
    let map: Vec<_> = ranges.iter().map(|(at, len)| format!("{at},{len}")).collect();
    let records = [
        ("GNU.sparse.size", &*size.to_string()),
        ("GNU.sparse.numblocks", &ranges.len().to_string()),
        ("GNU.sparse.name", "./hole"),
        ("GNU.sparse.map", &map.join(",")),
    ];
    [pax(b'x', &records), member(b'0', "./GNUSparseFile.1/hole", data)].concat()
}

fn pax_1_0((ranges, size): &Map, data: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = ranges.iter().map(|(at, len)| format!("{at}\n{len}\n")).collect();
    let map = padded(format!("{}\n{}", ranges.len(), lines.concat()).as_bytes());
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "hole"),
        ("GNU.sparse.realsize", &*size.to_string()),
    ];
    let body = [map, data.to_vec()].concat();
    [pax(b'x', &records), member(b'0', "GNUSparseFile.1/hole", &body)].concat()
}

type Form = fn(&Map, &[u8]) -> Vec<u8>;

const FORMS: [Form; 4] = [old_gnu, pax_0_0, pax_0_1, pax_1_0];

fn expanded((ranges, size): &Map, data: &[u8]) -> Vec<u8> {
    let mut whole = vec![0; usize::try_from(*size).unwrap()];
    let mut rest = data;
    for (at, len) in ranges {
        let (part, after) = rest.split_at(usize::try_from(*len).unwrap());
        let at = usize::try_from(*at).unwrap();
        whole[at..at + part.len()].copy_from_slice(part);
        rest = after;
    }
    whole
}

fn maps() -> Vec<Map> {
    vec![
        (vec![(524_288, 6), (1 << 20, 0)], 1 << 20),
        (vec![(0, 700), (4096, 512)], 5000),
        // As many as need blocks of their own in every form.
        ((0..60).map(|at| (at * 1000, 10 + at)).collect(), 60_000),
        (vec![(3000, 0)], 3000),
        (vec![(0, 300)], 300),
    ]
}

fn data(map: &Map) -> Vec<u8> {
    let len: u64 = map.0.iter().map(|(_, len)| len).sum();
    noise(len, usize::try_from(len).unwrap())
}

#[test]
fn every_form_is_the_file_as_it_was() {
    for map in maps() {
        let data = data(&map);
        for (index, form) in FORMS.iter().enumerate() {
            let tar = archive(&[form(&map, &data), member(b'0', "next", b"abc")]);
            let (seen, problems, error) = walk(&tar);
            assert_eq!((problems, error), (vec![], None), "{index} {map:?}");
            let Seen { name, kind, size, bytes, .. } = &seen[0];
            assert_eq!((name.as_str(), kind), ("hole", &MemberKind::File), "{index}");
            assert_eq!(*size, Some(data.len() as u64), "stored bytes without the map, {index}");
            assert!(*bytes == expanded(&map, &data), "{index} {map:?}");
            assert_eq!((seen[1].name.as_str(), seen[1].bytes.as_slice()), ("next", &b"abc"[..]));
        }
    }
}

#[test]
fn a_member_that_is_cut_gives_what_came_before() {
    let map = &maps()[2];
    let data = data(map);
    let whole = expanded(map, &data);
    for form in FORMS {
        let tar = archive(&[form(map, &data)]);
        let mut longest = 0;
        for cut in (512..tar.len() - 1024).step_by(61) {
            let (seen, problems, error) = walk(&tar[..cut]);
            assert!(error.is_some() || !problems.is_empty(), "cut at {cut} and nothing is told");
            if let Some(seen) = seen.first().filter(|seen| seen.kind == MemberKind::File) {
                assert!(whole.starts_with(&seen.bytes), "cut at {cut}");
                longest = longest.max(seen.bytes.len());
            }
        }
        assert!(longest > whole.len() / 2, "{longest}");
    }
}

#[test]
fn a_broken_map_leaves_the_stored_bytes() {
    let broken: [Map; 5] = [
        (vec![(10, 3), (5, 3)], 100),
        (vec![(0, 3), (2, 3)], 100),
        (vec![(98, 6)], 100),
        (vec![(0, 5)], 100),
        (vec![(i64::MAX as u64, 6)], i64::MAX as u64),
    ];
    for (map, (index, form)) in
        broken.iter().flat_map(|map| FORMS.iter().enumerate().map(move |it| (map, it)))
    {
        let (seen, problems, error) =
            walk(&archive(&[form(map, b"secret"), member(b'0', "next", b"abc")]));
        assert_eq!((seen.len(), error), (2, None), "{index} {map:?}");
        assert_eq!((seen[0].name.as_str(), &seen[0].kind), ("hole", &MemberKind::Sparse));
        assert!(seen[0].bytes.ends_with(b"secret"), "{index} {map:?}");
        let [problem] = problems.try_into().unwrap();
        let diagnostic = Problem::diagnostic(problem, "devshm.tar");
        assert_eq!((diagnostic.code, diagnostic.level), (Code::SparseMember, Level::Error));
        assert_eq!(diagnostic.member, "devshm.tar!hole");
        assert!(diagnostic.expected.is_some() && diagnostic.found.is_some());
    }
    // Maps that are no maps.
    for text in ["", "x\n", "2\n1\n", "99999999999999999999\n", "1\n-5\n5\n", "1\n\n5\n"] {
        let records = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "100")];
        let body = [padded(text.as_bytes()), b"secret".to_vec()].concat();
        let form = [pax(b'x', &records), member(b'0', "hole", &body)];
        let (seen, problems, error) = walk(&archive(&form));
        assert_eq!(
            (seen[0].kind.clone(), problems[0].code),
            (MemberKind::Sparse, Code::SparseMember)
        );
        assert!(seen[0].bytes.ends_with(b"secret") && error.is_none(), "{text:?}");
    }
}

/// Skips and reads, and counts what that costs.
struct Careful(Vec<(u64, u64, Vec<u8>)>);

impl Visitor for Careful {
    fn member(&mut self, member: Member<'_>) -> io::Result<Flow> {
        let (_, mut peek) = member.body.peek()?;
        let body = peek.body();
        let map = super::super::Sparse::clone(body.map().unwrap());
        let at = map.data()[0].start;
        let mut bytes = Vec::new();
        match body {
            Body::At(extent) => {
                extent.sub(at..u64::MAX).reader().take(6).read_to_end(&mut bytes)?;
            }
            Body::Stream(mut stream) => {
                assert_eq!(stream.pass(at)?, at);
                (&mut stream).take(6).read_to_end(&mut bytes)?;
                assert_eq!(stream.taken(), 6);
                assert_eq!(stream.pass(u64::MAX)?, map.size() - at - 6);
            }
        }
        self.0.push((map.size(), map.stored(), bytes));
        Ok(Flow::Continue)
    }

    fn problem(&mut self, problem: Problem) {
        panic!("{problem:?}");
    }
}

#[test]
fn exabytes_of_holes_cost_nothing_to_pass() {
    let size = i64::MAX as u64;
    let map = (vec![(size - 1000, 6)], size);
    for form in FORMS {
        let tar = archive(&[form(&map, b"secret")]);
        let budget = RefCell::new(Budget::new(Limits::default()));
        let mut careful = Careful(Vec::new());
        for stream in [false, true] {
            let mut bytes = tar.as_slice();
            let body = if stream {
                Body::Stream(Stream::new(&mut bytes))
            } else {
                Body::At(Extent::all(Source::bytes(tar.clone())))
            };
            let visitor = &mut careful;
            let mut opening = Opening { budget: &budget, visitor, depth: 1, helpers: None };
            container_of(&tar).unwrap().open(body, &mut opening).unwrap();
        }
        assert_eq!(careful.0, vec![(size, 6, b"secret".to_vec()); 2]);
    }
}
