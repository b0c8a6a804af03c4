//! However the work is cut into parts, and in whatever order these are merged: the whole is one.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::check::Notation;
use crate::coverage::Reason;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::region::{Decoded, HolderKind, LabelKind};

/// Something that work finds: few values, holders and places, so that they meet.
#[derive(Debug, Clone)]
enum Found {
    Match { value: u8, holder: u8, at: u8, rule: u8, proven: bool },
    Problem { code: u8, at: u8 },
    Bytes { unit: u8, reason: u8, bytes: u8 },
    Window { holder: u8, at: u8 },
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        8 => (0..8_u8, 0..3_u8, 0..60_u8, 0..3_u8, any::<bool>()).prop_map(
            |(value, holder, at, rule, proven)| Found::Match { value, holder, at, rule, proven }
        ),
        2 => (0..3_u8, 0..5_u8).prop_map(|(code, at)| Found::Problem { code, at }),
        1 => (0..2_u8, 0..3_u8, any::<u8>())
            .prop_map(|(unit, reason, bytes)| Found::Bytes { unit, reason, bytes }),
        1 => (0..3_u8, 0..3_u8).prop_map(|(holder, at)| Found::Window { holder, at }),
    ]
}

/// So low that they are reached.
fn limits() -> Limits {
    Limits {
        findings: 6,
        holders_per_value: 2,
        unproven: 4,
        listed: 1,
        diagnostics_per_code: 2,
        ..Limits::default()
    }
}

fn holder(id: u8) -> Holder {
    Holder { set: 1, kind: HolderKind::File, id: id.into(), ordinal: 0 }
}

fn add(partial: &mut Partial, found: &Found) {
    match *found {
        Found::Match { value, holder: of, at, rule, proven } => {
            let kind = if at % 5 == 0 { RegionKind::Argv } else { RegionKind::Memory };
            let confidence = match (value ^ rule ^ at) % 3 {
                0 => Confidence::Low,
                1 => Confidence::High,
                _ => Confidence::Confirmed,
            };
            let judgement = Judgement {
                confidence,
                rank: (at ^ value) % 4,
                rule: RuleId(rule.into()),
                grounds: Arc::new(Grounds {
                    name: Some(format!("{rule} at {at}")),
                    ..Grounds::default()
                }),
                length: at.into(),
            };
            let found = Match {
                holder: holder(of),
                kind,
                locus: Locus {
                    at: at.into(),
                    len: 8,
                    decoded: if at % 2 == 1 { Notation::Utf16Le.into() } else { Decoded::PLAIN },
                },
                key: ValueKey([value; 16]),
                judgement,
                // One value in two notations.
                value: SecretBytes::new(&[value, at % 2]),
                // Of one kind of region all matches have them, or none has.
                lines: (kind == RegionKind::Argv)
                    .then_some(LineFeeds { count: at.into(), last: None }),
            };
            let name: Arc<str> = Arc::from(format!("file {of}"));
            let sort = match (value, proven) {
                // Their keys are no other's.
                (6.., _) => Sort::Listed,
                (_, true) => Sort::Unproven,
                (_, false) => Sort::Found,
            };
            partial.add(found, &name, sort, true, &limits());
        }
        Found::Problem { code, at } => {
            let codes = [Code::ImageTruncated, Code::Throttled, Code::StaleTail];
            let code = codes[usize::from(code)];
            let note = Diagnostic::new(Level::Error, code, "member", "text").at(at.into());
            partial.note(note, &limits());
        }
        Found::Bytes { unit, reason, bytes } => {
            let reasons = [Reason::ZeroPage, Reason::Unreadable, Reason::Limit];
            let coverage = partial.coverage.entry(unit.into()).or_default();
            coverage.total += u64::from(bytes);
            coverage.skip(reasons[usize::from(reason)], bytes.into());
            coverage.scanned += 1;
        }
        Found::Window { holder: of, at } => {
            let feeds = LineFeeds { count: at.into(), last: Some(at.into()) };
            partial.line_feeds.insert((holder(of), at.into()), feeds);
            let label = SecretBytes::new(&[of, at]);
            partial.labels.insert((holder(of), LabelKind::Argv, at.into()), label);
        }
    }
}

fn partial<'a>(found: impl IntoIterator<Item = &'a Found>) -> Partial {
    let mut partial = Partial::default();
    found.into_iter().for_each(|found| add(&mut partial, found));
    partial
}

fn merged(mut left: Partial, right: Partial) -> Partial {
    left.merge(right, &limits());
    left
}

/// All that is in a partial, also what is not shown otherwise.
fn shown(partial: &Partial) -> String {
    let kept: Vec<&[u8]> = partial.kept.values().map(SecretBytes::expose).collect();
    let labels: Vec<&[u8]> = partial.labels.values().map(SecretBytes::expose).collect();
    format!("{kept:?}\n{labels:?}\n{partial:#?}")
}

proptest! {
    #[test]
    fn merge_is_commutative(a in vec(found(), 0..60), b in vec(found(), 0..60)) {
        let (a, b) = (partial(&a), partial(&b));
        prop_assert_eq!(shown(&merged(a.clone(), b.clone())), shown(&merged(b, a)));
    }

    #[test]
    fn merge_is_associative(
        a in vec(found(), 0..60),
        b in vec(found(), 0..60),
        c in vec(found(), 0..60),
    ) {
        let (a, b, c) = (partial(&a), partial(&b), partial(&c));
        let left = merged(merged(a.clone(), b.clone()), c.clone());
        prop_assert_eq!(shown(&left), shown(&merged(a, merged(b, c))));
    }

    #[test]
    fn parts_are_the_whole(all in vec((found(), 0..4_usize), 0..200)) {
        let whole = partial(all.iter().map(|(found, _)| found));
        let part = |of: usize| {
            partial(all.iter().filter(|(_, part)| *part == of).map(|(found, _)| found))
        };
        let parts = [2, 0, 3, 1].map(part);
        let parts = parts.into_iter().fold(Partial::default(), merged);
        prop_assert_eq!(shown(&parts), shown(&whole));
    }
}

#[test]
fn the_lowest_are_kept_and_the_rest_is_counted() {
    let matches: Vec<Found> = (0..60)
        .rev()
        .map(|at| Found::Match { value: 1, holder: 0, at, rule: 0, proven: false })
        .collect();
    let partial = partial(&matches);
    let (key, spread) = partial.found.iter().next().unwrap();
    assert_eq!(key, ValueKey([1; 16]));
    let of_memory = |part: &&Part| (part.holder, part.kind) == (holder(0), RegionKind::Memory);
    let memory = &spread.parts.iter().find(of_memory).unwrap().tally;
    assert_eq!((memory.count, memory.places.len()), (48, PLACES_KEPT));
    let lowest: Vec<u64> = memory.places.iter().map(|(locus, _)| locus.at).take(5).collect();
    assert_eq!(lowest, [1, 2, 3, 4, 6]);
    let problems: Vec<Found> = (0..5).map(|at| Found::Problem { code: 0, at }).collect();
    let partial = self::partial(&problems);
    assert_eq!(partial.note_counts[&Code::ImageTruncated], 5);
    let offsets: Vec<u64> =
        partial.notes[&Code::ImageTruncated].iter().map(|note| note.offset).collect();
    assert_eq!(offsets, [0, 1]);
}
