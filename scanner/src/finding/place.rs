//! Places: where a value lies, in words.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Address, Context, Place, Value, Vma, kernel};
use crate::checkpoint::{Shared, VmaInfo};
use crate::region::{Holder, HolderKind, Locus, RegionKind};
use crate::tally::{LineFeeds, Part};

/// The places of one value.
pub(super) struct Places {
    /// The places that the report shows, in its order.
    pub shown: Vec<Place>,
    /// How many it does not show.
    pub omitted: u64,
    /// Processes that hold the value, over all places.
    pub processes: u64,
}

/// Bytes of all places of one finding in JSON: a whole line stays under 16,000.
const PLACES_BYTES: usize = 12_000;

/// Makes the places of a value.
pub(super) fn places(value: &Value<'_>, context: &Context<'_>) -> Places {
    let mut all =
        Vec::with_capacity(value.found.parts.iter().map(|it| it.tally.places.len()).sum());
    let mut total = value.found.count;
    let memory = value.found.holders.iter().filter(|holder| holder.kind == HolderKind::Memory);
    let mut processes: BTreeSet<u32> = memory.map(|holder| pid_of(*holder, context)).collect();
    let objects = value.found.holders.iter();
    processes.extend(objects.flat_map(|holder| kernel::pids(*holder, context.checkpoint)));
    for Part { holder, kind, tally } in value.found.parts.iter().copied() {
        let mut of_one = 1u64;
        for (locus, lines) in tally.places.iter() {
            let before = all.len();
            words(*holder, *kind, locus, lines, context, &mut all);
            let places = all.get(before..).unwrap_or_default();
            of_one = places.len().max(1) as u64;
            processes.extend(places.iter().filter_map(|place| place.pid));
        }
        // A span that several processes map is as many places.
        total = total.saturating_add(tally.count.saturating_mul(of_one.saturating_sub(1)));
    }
    choose(all, total, processes.len() as u64, context)
}

/// The pid of the process whose memory a holder is. Only of an ELF core whose notes follow on its memory
/// it is not the holder's own number.
pub(super) fn pid_of(holder: Holder, context: &Context<'_>) -> u32 {
    let id = u32::try_from(holder.id).unwrap_or(u32::MAX);
    context.checkpoint.processes.get(&id).map_or(id, |process| process.pid)
}

/// Of all places those that the report shows.
pub(super) fn choose(
    mut all: Vec<Place>,
    total: u64,
    processes: u64,
    context: &Context<'_>,
) -> Places {
    fn order(place: &Place) -> impl Ord {
        let Place { region, pid, address, path, image, offset, .. } = place;
        (*region, *pid, *address, path.as_deref(), image.as_deref(), *offset)
    }
    let by_order = |a: &Place, b: &Place| order(a).cmp(&order(b));
    let is_sorted = |all: &[Place]| all.is_sorted_by(|a, b| by_order(a, b).is_le());
    // Mostly they are sorted already; a place is large.
    if !is_sorted(&all) {
        all.sort_by(by_order);
    }
    let mut shown = select(all, context.max_places);
    if !is_sorted(&shown) {
        shown.sort_by(by_order);
    }
    // A line of a report stays readable for programs with small buffers.
    let bytes = |place: &Place| serde_json::to_vec(place).map_or(0, |line| line.len());
    let most: usize = shown.iter().map(most_bytes).sum();
    let mut sum = if most <= PLACES_BYTES { most } else { shown.iter().map(bytes).sum::<usize>() };
    while sum > PLACES_BYTES && shown.len() > 1 {
        sum = shown.pop().map_or(0, |place| sum.saturating_sub(bytes(&place)));
    }
    let omitted = total.saturating_sub(shown.len() as u64);
    Places { shown, omitted, processes }
}

/// Bytes that a place takes in JSON at most; few more than it does, so that most need not be written to be counted.
fn most_bytes(place: &Place) -> usize {
    /// `{"region":"sysv-message","length":4294967295,"decoded":[],"superseded":true},`
    const ALWAYS: usize = 80;
    /// `,"block_offset":18446744073709551615`
    const NUMBER: usize = 36;
    /// `,"container_path":""`
    const TEXT: usize = 20;
    /// `,"vma":{"start":"0x0123456789abcdef","end":"0x0123456789abcdef","kind":"","prot":"","path":null}`
    const VMA: usize = 97;
    const END: usize = 14;
    let Place { comm, path, container_path, image, vma, decoded, .. } = place;
    let Place { pid, fd, object, address, offset, block_offset, line, column, .. } = place;
    if place.socket.is_some() {
        return PLACES_BYTES.saturating_add(1);
    }
    let small = [*pid, *fd].into_iter().flatten().count();
    let large = [*object, address.map(|it| it.0), *offset, *block_offset, *line, *column];
    let numbers = small.saturating_add(large.into_iter().flatten().count()).saturating_mul(NUMBER);
    let texts = [comm, path, container_path, image].into_iter().flatten();
    let texts = texts.map(|text| escaped(text).saturating_add(TEXT));
    let of_vma = vma.iter().flat_map(|vma| {
        let texts = [vma.kind.as_ref(), &vma.prot, vma.path.as_deref().unwrap_or_default()];
        texts.map(escaped).into_iter().chain([VMA])
    });
    let decoded = decoded.iter().map(|step| escaped(step).saturating_add(3));
    let end = if place.end.is_some() { END } else { 0 };
    let all: usize = texts.chain(of_vma).chain(decoded).sum();
    all.saturating_add(numbers).saturating_add(end).saturating_add(ALWAYS)
}

/// Bytes that a text takes between quotes in JSON at most.
fn escaped(text: &str) -> usize {
    let escapes = text.bytes().filter(|byte| matches!(byte, ..b' ' | b'"' | b'\\')).count();
    text.len().saturating_add(escapes.saturating_mul(5))
}

/// At most `most` places: one of each process first, then of each file, of each kind of region.
fn select(mut all: Vec<Place>, most: usize) -> Vec<Place> {
    if all.len() <= most {
        return all;
    }
    let mut pids = BTreeSet::new();
    let mut paths = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    // What is in memory now comes before what was there earlier.
    all.sort_by_key(|place| place.superseded);
    let mut ranked: Vec<(u8, Place)> = all
        .into_iter()
        .map(|place| {
            let rank = if place.pid.is_some_and(|pid| pids.insert(pid)) {
                0
            } else if place.path.as_ref().is_some_and(|path| paths.insert(path.clone())) {
                1
            } else if kinds.insert(place.region) {
                2
            } else {
                3
            };
            (rank, place)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(most).map(|(_, place)| place).collect()
}

/// Adds the places of one locus: one, or one for each process that maps a shared segment there.
pub(super) fn words(
    holder: Holder,
    kind: RegionKind,
    locus: Locus,
    lines: Option<LineFeeds>,
    context: &Context<'_>,
    all: &mut Vec<Place>,
) {
    let decoded = locus.decoded.steps().map(|step| step.name().into()).collect();
    let plain = Place {
        region: kind,
        pid: None,
        comm: None,
        fd: None,
        end: None,
        object: None,
        socket: None,
        address: None,
        length: locus.len.into(),
        vma: None,
        path: None,
        container_path: None,
        image: None,
        offset: None,
        block_offset: None,
        line: None,
        column: None,
        decoded,
        superseded: is_superseded(holder, context),
    };
    let checkpoint = context.checkpoint;
    let in_image = |place: Place| {
        // Before CRIU 3.0 System V segments had their bytes in an image of their own.
        if holder.kind == HolderKind::Segment
            && let Some(name) = context.names.get(&holder)
        {
            let space = checkpoint.spaces.get(&holder);
            let offset = space.and_then(|space| space.image_offset(locus.at)).map(|it| it.1);
            return Place { image: Some(name.to_string()), offset, ..place };
        }
        let found = checkpoint.spaces.get(&holder).and_then(|space| space.image_offset(locus.at));
        match found {
            Some((image, offset, block_offset)) => Place {
                image: checkpoint.pages.get(&image).cloned(),
                offset: Some(offset),
                block_offset,
                ..place
            },
            None => place,
        }
    };
    let of_process = |pid: u32, address: Option<u64>, place: Place| {
        let process = checkpoint.processes.get(&pid);
        let vma = address.and_then(|address| process?.vma_at(address)).map(vma);
        Place {
            pid: Some(process.map_or(pid, |process| process.pid)),
            comm: process.map(|process| process.comm.clone()),
            address: address.map(Address),
            vma,
            ..place
        }
    };
    match holder.kind {
        HolderKind::Memory => {
            let pid = u32::try_from(holder.id).unwrap_or(u32::MAX);
            all.push(of_process(pid, Some(locus.at), in_image(plain)));
        }
        HolderKind::Shared | HolderKind::Segment => {
            let id = u32::try_from(holder.id).unwrap_or(u32::MAX);
            let Some(shared) = checkpoint.shared.get(&id) else {
                return all.push(in_image(plain));
            };
            let plain = Place { region: shared.kind, ..in_image(plain) };
            let before = all.len();
            let mapped = mapped_at(shared, locus);
            all.extend(mapped.map(|(pid, address)| of_process(pid, Some(address), plain.clone())));
            if all.len() > before {
                return;
            }
            if shared.open_by.is_empty() {
                return all.push(plain);
            }
            let open = shared
                .open_by
                .iter()
                .map(|(pid, fd)| Place { fd: Some(*fd), ..of_process(*pid, None, plain.clone()) });
            all.extend(open);
        }
        HolderKind::RawImage => {
            let image = context.names.get(&holder).map(|name| String::from(&**name));
            all.push(Place { image, offset: Some(locus.at), ..plain });
        }
        HolderKind::File => {
            let name = context.names.get(&holder).map(|name| String::from(&**name));
            let offset = Some(locus.at);
            if is_image(kind) {
                return all.push(Place { image: name, offset, ..plain });
            }
            let (line, column) = line_and_column(holder, locus.at, lines, context);
            let container_path =
                name.as_deref().and_then(|name| kernel::container_path(name, checkpoint));
            let (line, column) = (Some(line), Some(column));
            all.push(Place { path: name, container_path, offset, line, column, ..plain });
        }
        HolderKind::Pipe
        | HolderKind::Fifo
        | HolderKind::UnixQueue
        | HolderKind::TcpReceived
        | HolderKind::TcpSent
        | HolderKind::Tty
        | HolderKind::SysvMessages
        | HolderKind::BpfMap
        | HolderKind::Ghost
        | HolderKind::Registers => {
            all.extend(kernel::places(holder, locus, lines, plain, context));
        }
    }
}

/// Whether the ordinal of a holder counts dumps.
fn is_memory(holder: Holder) -> bool {
    matches!(holder.kind, HolderKind::Memory | HolderKind::Shared)
}

/// Whether what is there was replaced by a later dump of the chain: of dumps before the newest only that is
/// laid out.
fn is_superseded(holder: Holder, context: &Context<'_>) -> bool {
    let space = || context.checkpoint.spaces.get(&holder);
    is_memory(holder) && holder.ordinal > 0 && space().is_some_and(|space| space.only.is_some())
}

/// Whether bytes of that kind lie in an image of CRIU rather than in a file of the container.
fn is_image(kind: RegionKind) -> bool {
    !matches!(
        kind,
        RegionKind::File
            | RegionKind::VolumeFile
            | RegionKind::TmpfsFile
            | RegionKind::GhostFile
            | RegionKind::Log
            | RegionKind::Metadata
    )
}

fn mapped_at(shared: &Shared, locus: Locus) -> impl Iterator<Item = (u32, u64)> {
    shared.mappings.iter().filter_map(move |mapping| {
        let within = locus.at.checked_sub(mapping.offset)?;
        let address = mapping.start.checked_add(within)?;
        let end = address.checked_add(locus.len.into())?;
        (end <= mapping.end).then_some((mapping.pid, address))
    })
}

fn vma(info: &VmaInfo) -> Vma {
    Vma {
        start: Address(info.start),
        end: Address(info.end),
        kind: info.kind.name().into(),
        prot: info.prot.clone(),
        path: info.path.clone(),
    }
}

/// Line and column (in bytes) of an offset in a file, both from 1.
pub(super) fn line_and_column(
    holder: Holder,
    at: u64,
    within: Option<LineFeeds>,
    context: &Context<'_>,
) -> (u64, u64) {
    let mut line = within.map_or(0, |feeds| feeds.count);
    let mut last = within.and_then(|feeds| feeds.last);
    // Whole windows before the one that holds the offset.
    let starts = context.line_feeds.range((holder, 0)..=(holder, at));
    for (_, feeds) in starts.rev().skip(1) {
        line = line.saturating_add(feeds.count);
        last = last.or(feeds.last);
    }
    let column = last.map_or(at.saturating_add(1), |feed| at.saturating_sub(feed));
    (line.saturating_add(1), column)
}

/// The executable or the path that holds a value: what survives the next dump.
pub(super) fn owner<'a>(holder: Holder, locus: Locus, context: &Context<'a>) -> Cow<'a, str> {
    let checkpoint = context.checkpoint;
    let words = |pid: u32| {
        let process = checkpoint.processes.get(&pid)?;
        Some(process.exe.as_deref().unwrap_or(&process.comm))
    };
    match holder.kind {
        HolderKind::Memory => {
            let pid = u32::try_from(holder.id).unwrap_or(u32::MAX);
            words(pid).unwrap_or_default().into()
        }
        HolderKind::Shared | HolderKind::Segment => {
            let id = u32::try_from(holder.id).unwrap_or(u32::MAX);
            let shared = checkpoint.shared.get(&id);
            let pids = shared.into_iter().flat_map(|shared| mapped_at(shared, locus));
            pids.filter_map(|(pid, _)| words(pid)).min().unwrap_or_default().into()
        }
        HolderKind::File | HolderKind::RawImage => {
            context.names.get(&holder).map_or("", |name| &**name).into()
        }
        HolderKind::Pipe
        | HolderKind::Fifo
        | HolderKind::UnixQueue
        | HolderKind::TcpReceived
        | HolderKind::TcpSent
        | HolderKind::Tty
        | HolderKind::SysvMessages
        | HolderKind::BpfMap
        | HolderKind::Ghost
        | HolderKind::Registers => kernel::owner(holder, context).into(),
    }
}

/// `in java (15)`, `in rootfs-diff.tar!root/.netrc`.
pub(super) fn holder_in_words(
    holder: Holder,
    kind: RegionKind,
    locus: Locus,
    context: &Context<'_>,
) -> String {
    let of_process = |pid: u32, comm: Option<&str>| match comm.filter(|comm| !comm.is_empty()) {
        Some(comm) => format!("in {comm} ({pid})"),
        None => format!("in process {pid}"),
    };
    // The same as below, without the rest of a place: where nearly all is found.
    if holder.kind == HolderKind::Memory {
        let id = u32::try_from(holder.id).unwrap_or(u32::MAX);
        let process = context.checkpoint.processes.get(&id);
        return of_process(pid_of(holder, context), process.map(|it| it.comm.as_str()));
    }
    let mut places = Vec::with_capacity(1);
    words(holder, kind, locus, None, context, &mut places);
    let Some(place) = places.into_iter().next() else { return "in the checkpoint".to_owned() };
    match (place.pid, place.path.or(place.image)) {
        (Some(pid), _) => of_process(pid, place.comm.as_deref()),
        (None, Some(path)) => format!("in {path}"),
        (None, None) => "in shared memory".to_owned(),
    }
}
