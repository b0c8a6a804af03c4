//! Compressed members that are decoded by others before the walk comes to them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::zip::CompressionMethod;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::zips::zip_of;
use super::{How, PACKERS, Walk, gzip_of, noise, tar_of, walk, walk_as};
use crate::archive::{Body, Extent, Helpers, Source, container_of};
use crate::limits::{Budget, Limits};

fn file(seed: u64, len: usize) -> Vec<u8> {
    [noise(seed, len / 2), vec![b'x'; len / 2]].concat()
}

fn zip(seed: u64, len: usize, streamed: bool) -> Vec<u8> {
    let (a, b) = (file(seed, len), file(seed ^ 1, len / 3));
    let packed = CompressionMethod::Deflated;
    // From a pipe nothing can be stored: its end could not be found.
    let other = if streamed { packed } else { CompressionMethod::Stored };
    zip_of(
        &[("a", packed, &a), ("d/", packed, b""), ("b", other, &b), ("c", packed, b"")],
        streamed,
    )
}

/// The walk with helpers of this room, and how many tasks it gave them; `None` drops them.
fn tasks_of(tar: &[u8], most: u64, is_done: bool) -> (usize, Vec<Vec<u8>>) {
    let tasks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&tasks);
    let helpers = Helpers::new(most, 2, move |task| {
        counted.set(counted.get() + 1);
        if is_done {
            task();
        }
    });
    let budget = RefCell::new(Budget::new(Limits::default()));
    let mut walk = Walk::new(&budget);
    walk.helpers = Some(Rc::new(helpers));
    let body = Body::At(Extent::all(Source::bytes(tar.to_vec())));
    walk.open(container_of(tar).unwrap(), body).unwrap();
    (tasks.get(), walk.seen.into_iter().map(|seen| seen.bytes).collect())
}

#[test]
fn compressed_members_are_decoded_by_others_once() {
    let body = file(1, 40_000);
    let packed: Vec<_> = PACKERS.iter().map(|(_, pack)| pack(&body)).collect();
    let jar = zip(2, 40_000, true);
    let inner = tar_of(&[("g", packed[0].as_slice()), ("jar", &jar)]);
    let mut members: Vec<_> = packed.iter().map(|packed| ("f", packed.as_slice())).collect();
    members.extend([("text", &body[..]), ("rootfs-diff.tar", &inner), ("small", &packed[0][..9])]);
    let tar = tar_of(&members);
    let (seen, problems, _) = walk(&tar);
    assert_eq!((seen.len(), problems.len()), (PACKERS.len() + 1 + 5 + 1, 0));
    let bodies: Vec<_> = seen.into_iter().map(|seen| seen.bytes).collect();
    for (is_done, tasks) in [(true, PACKERS.len() + 2), (false, PACKERS.len() + 2)] {
        let (found, bytes) = tasks_of(&tar, 64 << 20, is_done);
        assert_eq!((found, bytes == bodies), (tasks, true), "{is_done}");
    }
}

/// What the walk skips is not decoded for ever, and nothing that has no room to wait.
#[test]
fn what_is_decoded_in_vain_is_bounded() {
    let large = gzip_of(&file(1, 3 << 20));
    assert_eq!(tasks_of(&tar_of(&[("a", &large), ("b", &large)]), 1 << 20, true).0, 0);
    let packed = gzip_of(&file(1, 20_000));
    let members: Vec<_> = (0..100).map(|_| ("f", packed.as_slice())).collect();
    let tar = tar_of(&members);
    let tasks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&tasks);
    let budget = RefCell::new(Budget::new(Limits::default()));
    let mut walk = Walk::new(&budget);
    walk.most = 10; // It opens no archive then.
    walk.helpers = Some(Rc::new(Helpers::new(8 << 20, 2, move |task| {
        counted.set(counted.get() + 1);
        task();
    })));
    walk.open(container_of(&tar).unwrap(), Body::At(Extent::all(Source::bytes(tar.clone()))))
        .unwrap();
    assert_eq!(walk.seen.len(), 100);
    assert!((8..40).contains(&tasks.get()), "{}", tasks.get());
}

proptest! {
    /// All that a report could show, and all that the walk was charged for.
    #[test]
    fn what_is_scouted_is_the_same(
        members in vec((0..10_usize, 0_usize..60_000, any::<u64>()), 1..9),
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        cut in option::weighted(0.3, any::<Index>()),
        how in 0..3_u8,
        most in prop_oneof![Just(4_u64 << 17), Just(32 << 20)],
        limits in prop_oneof![
            Just(Limits::default()),
            (1_u64..9, 1_u64..90_000, 1_u64..900_000, 1_u64..40).prop_map(|(ratio, floor, decoded, members)| Limits {
                expansion_ratio: ratio,
                expansion_floor: floor,
                decoded_bytes: decoded,
                members,
                ..Limits::default()
            }),
        ],
    ) {
        let bodies: Vec<Vec<u8>> = members
            .iter()
            .map(|(kind, len, seed)| match kind {
                5 | 6 => zip(*seed, *len, *kind == 5),
                7 => file(*seed, *len),
                8 => gzip_of(&vec![0; 9 * len]),
                9 => gzip_of(&tar_of(&[("z", &zip(*seed, *len, false)), ("g", &gzip_of(&file(*seed, *len)))])),
                _ => {
                    let (_, pack) = PACKERS[*kind];
                    // Its length, and two files in one.
                    let mut packed = pack(&file(*seed, *len));
                    if seed.is_multiple_of(3) {
                        packed.extend(pack(&file(seed ^ 5, len / 2)));
                    }
                    packed
                }
            })
            .collect();
        let members: Vec<_> = bodies.iter().map(|body| ("name", body.as_slice())).collect();
        let mut bytes = tar_of(&members);
        let end = bytes.len();
        for (at, byte) in damage {
            bytes[at.index(end)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(end));
        }
        if container_of(&bytes).is_none() {
            return Ok(());
        }
        let look = |walk: &Walk<'_>, done: Result<_, _>| {
            let budget = format!("{:?}", walk.budget.borrow());
            (walk.seen.clone(), walk.problems.clone(), walk.inside.clone(), format!("{done:?}"), budget)
        };
        let alone = walk_as(&bytes, How::At, limits.clone(), |walk, done| look(walk, done));
        let budget = RefCell::new(Budget::new(limits));
        let mut walk = Walk::new(&budget);
        // Done at once, by a thread that is as far as it is, or by nobody.
        walk.helpers = Some(Rc::new(Helpers::new(most, 2, move |task| match how {
            0 => task(),
            1 => drop(std::thread::spawn(task)),
            _ => drop(task),
        })));
        let done = walk.open(container_of(&bytes).unwrap(), Body::At(Extent::all(Source::bytes(bytes.clone()))));
        let helped = look(&walk, done);
        prop_assert!(alone.0 == helped.0);
        prop_assert_eq!((alone.1, alone.2, alone.3, alone.4), (helped.1, helped.2, helped.3, helped.4));
    }
}
