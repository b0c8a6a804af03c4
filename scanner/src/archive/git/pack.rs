//! A pack: objects one behind the other, whole or as what changes another one.

use std::collections::BTreeMap;
use std::rc::Rc;

use flate2::Decompress;
use sha1::{Digest as _, Sha1};

use super::cache::{Cache, Object};
use super::delta::{self, Fault};
use super::object::{Entry, Form, Id, Kind, entry, malformed};
use crate::archive::error::{Cause, ContainerError, Problem};
use crate::archive::inflate::Inflate;
use crate::archive::input::{Input, count};
use crate::archive::packed::{Decoder, Metered};
use crate::archive::source::Extent;
use crate::archive::stream::Stream;
use crate::archive::{Body, Consumed, Flow, Member, MemberKind, Opening};
use crate::diagnostic::{Code, Level};

const MAGIC: &[u8] = b"PACK";
/// Magic, version, number of objects.
const HEADER: usize = 12;
/// Deltas on deltas; git itself writes at most 4095 (`pack.depth`).
const DEPTH: usize = 4096;
/// Objects whose ids are kept, for deltas that name their base by its id.
const IDS: usize = 1 << 20;
/// What the least step of applying deltas costs, in bytes made.
const STEP: u64 = 4096;

pub(in crate::archive) fn is(head: &[u8]) -> bool {
    matches!(head.strip_prefix(MAGIC), Some([0, 0, 0, 2 | 3, _, _, _, _, ..]))
}

pub(in crate::archive) fn open(
    body: Body<'_>,
    opening: &mut Opening<'_>,
) -> Result<Consumed, ContainerError> {
    let error =
        |offset, cause| ContainerError { container: "git-pack", offset, consumed: offset, cause };
    let most = opening.limit(|limits| limits.held_bytes);
    let body = body.hold(most).map_err(|fault| error(0, Cause::Io(fault)))?;
    let input = Input::new(body);
    let extent = input.extent().cloned();
    let mut pack = Pack {
        input,
        extent,
        raw: Decompress::new(true),
        cache: Cache::default(),
        ids: BTreeMap::new(),
        waiting: BTreeMap::new(),
        ready: Vec::new(),
        made: 0,
        left: Left::default(),
    };
    let walked = pack.walk(opening);
    pack.tell(opening);
    let offset = pack.input.pos();
    match walked.and_then(|()| pack.input.fault().map_or(Ok(()), Err)) {
        Ok(()) => Ok(Consumed { bytes: offset }),
        Err(cause) => Err(error(offset, cause)),
    }
}

struct Pack<'a> {
    input: Input<'a>,
    /// All of it; none when it passes once.
    extent: Option<Extent>,
    /// Kept between objects for its tables.
    raw: Decompress,
    cache: Cache,
    /// Where objects lie.
    ids: BTreeMap<Id, u64>,
    /// Deltas of objects that are not known, or not yet.
    waiting: BTreeMap<Id, Vec<u64>>,
    /// Deltas of objects that have become known.
    ready: Vec<u64>,
    /// Bytes made by applying deltas.
    made: u64,
    left: Left,
}

/// Deltas that were handed over as they are.
#[derive(Debug, Default)]
struct Left {
    outside: u64,
    too_long: u64,
    passed: u64,
    malformed: u64,
    first: Option<u64>,
}

/// Why an object was not made.
enum Undone {
    /// It changes an object of this id, which is not known yet.
    Unknown(Id),
    TooLong,
    Malformed,
}

impl From<Fault> for Undone {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Malformed => Self::Malformed,
        }
    }
}

impl Pack<'_> {
    fn walk(&mut self, opening: &mut Opening<'_>) -> Result<(), Cause> {
        let mut header = [0; HEADER];
        let found = self.input.fill(&mut header);
        if found < HEADER {
            return Err(self.input.cut(count(HEADER), count(found)));
        }
        let objects = header.last_chunk::<4>().map_or(0, |number| u32::from_be_bytes(*number));
        for _ in 0..objects {
            let at = self.input.pos();
            let entry = entry(&mut self.input, at)?;
            let flow = match entry.form {
                Form::Whole(kind) => self.whole(at, kind, entry.size, opening)?,
                Form::OfsDelta(_) | Form::RefDelta(_) => self.changed(at, &entry, opening)?,
            };
            if flow == Flow::Stop || self.ready(opening)? == Flow::Stop {
                return Ok(());
            }
        }
        for at in std::mem::take(&mut self.waiting).into_values().flatten() {
            self.left.outside = self.left.outside.saturating_add(1);
            if self.as_it_is(at, opening)? == Flow::Stop {
                return Ok(());
            }
        }
        // A sum of 20 bytes, or of 32 where ids are SHA-256.
        let sum = self.input.skip(20);
        if sum < 20 {
            return Err(self.input.cut(20, sum));
        }
        let behind = self.input.pos();
        match self.input.skip(u64::MAX) {
            0 | 12 => {}
            lost => opening.problem(Problem::stale_tail(behind, lost)),
        }
        Ok(())
    }

    /// Makes the objects that waited for what is known now; each may make others known.
    fn ready(&mut self, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        while let Some(at) = self.ready.pop() {
            if self.resolve(at, opening)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Hands over an object that is stored whole.
    fn whole(
        &mut self,
        at: u64,
        kind: Kind,
        size: u64,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        let mut sum = Sha1::new();
        sum.update(object_header(kind, size));
        let inflate = Inflate::new(&mut self.input, u64::MAX, &mut self.raw, true);
        let mut body = Metered::new(Summed { inflate, sum }, opening.budget, true);
        let flow = opening.member(member(kind.name(), at, Body::Stream(Stream::new(&mut body))))?;
        if flow == Flow::Stop {
            return Ok(flow);
        }
        body.drain();
        if let Some(cause) = body.fault {
            return Err(cause);
        }
        let id: Id = body.decoder.sum.finalize().into();
        if self.raw.total_out() != size {
            let found = format!("{} bytes", self.raw.total_out());
            return Err(malformed(&format!("an object of {size} bytes"), &found));
        }
        self.know(id, at);
        Ok(flow)
    }

    /// Hands over an object that is stored as what changes another one.
    fn changed(
        &mut self,
        at: u64,
        entry: &Entry,
        opening: &mut Opening<'_>,
    ) -> Result<Flow, Cause> {
        if self.extent.is_none() || entry.size > opening.limit(|limits| limits.delta_bytes) {
            if self.extent.is_none() {
                self.left.passed = self.left.passed.saturating_add(1);
            } else {
                self.left.too_long = self.left.too_long.saturating_add(1);
            }
            self.left.first.get_or_insert(at);
            let inflate = Inflate::new(&mut self.input, u64::MAX, &mut self.raw, true);
            let mut body = Metered::new(inflate, opening.budget, true);
            let flow = opening.member(member("delta", at, Body::Stream(Stream::new(&mut body))))?;
            body.drain();
            return body.fault.map_or(Ok(flow), Err);
        }
        // Its end must be found, so it is decoded here; once more when it is applied.
        let inflate = Inflate::new(&mut self.input, u64::MAX, &mut self.raw, true);
        let mut body = Metered::new(inflate, opening.budget, true);
        body.drain();
        if let Some(cause) = body.fault {
            return Err(cause);
        }
        self.resolve(at, opening)
    }

    /// Makes an object of its delta and hands it over, or leaves it for later.
    fn resolve(&mut self, at: u64, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        let slot = match self.make(at, opening)? {
            Ok(object) => {
                let mut sum = Sha1::new();
                sum.update(object_header(object.kind, count(object.bytes.len())));
                sum.update(object.bytes.as_slice());
                self.know(sum.finalize().into(), at);
                let mut bytes = object.bytes.as_slice();
                let body = Body::Stream(Stream::new(&mut bytes));
                return opening.member(member(object.kind.name(), at, body));
            }
            Err(Undone::Unknown(id)) => {
                self.waiting.entry(id).or_default().push(at);
                return Ok(Flow::Continue);
            }
            Err(Undone::TooLong) => &mut self.left.too_long,
            Err(Undone::Malformed) => &mut self.left.malformed,
        };
        *slot = slot.saturating_add(1);
        self.as_it_is(at, opening)
    }

    /// Hands over a delta itself: what it inserts stands in it.
    fn as_it_is(&mut self, at: u64, opening: &mut Opening<'_>) -> Result<Flow, Cause> {
        self.left.first.get_or_insert(at);
        let Some((_, mut input)) = self.entry_at(at) else { return Ok(Flow::Continue) };
        let inflate = Inflate::new(&mut input, u64::MAX, &mut self.raw, true);
        let mut body = Metered::new(inflate, opening.budget, true);
        opening.member(member("delta", at, Body::Stream(Stream::new(&mut body))))
    }

    /// The object of the entry at `at`, from the first one in its chain of deltas on.
    fn make(
        &mut self,
        at: u64,
        opening: &mut Opening<'_>,
    ) -> Result<Result<Object, Undone>, Cause> {
        let most = opening.limit(|limits| limits.delta_bytes);
        let mut chain = Vec::new();
        let mut next = at;
        let mut object = loop {
            if let Some(object) = self.cache.get(next) {
                break object;
            }
            let Some((entry, input)) = self.entry_at(next) else {
                return Ok(Err(Undone::Malformed));
            };
            let base = match entry.form {
                Form::Whole(kind) => match self.inflated(input, entry.size, most) {
                    Ok(bytes) => {
                        self.charge(bytes.len(), opening)?;
                        let object = Object { kind, bytes: Rc::new(bytes) };
                        self.cache.put(next, object.clone());
                        break object;
                    }
                    Err(undone) => return Ok(Err(undone)),
                },
                Form::OfsDelta(base) => base,
                Form::RefDelta(id) => match self.ids.get(&id) {
                    Some(base) => *base,
                    None => return Ok(Err(Undone::Unknown(id))),
                },
            };
            chain.push(next);
            next = base;
            if chain.len() > DEPTH {
                return Ok(Err(Undone::Malformed));
            }
        };
        for at in chain.into_iter().rev() {
            let Some((entry, input)) = self.entry_at(at) else {
                return Ok(Err(Undone::Malformed));
            };
            let most_made = usize::try_from(most).unwrap_or(usize::MAX);
            let made = self.inflated(input, entry.size, most).and_then(|delta| {
                delta::apply(&object.bytes, &delta, most_made).map_err(Undone::from)
            });
            let bytes = match made {
                Ok(bytes) => bytes,
                Err(undone) => return Ok(Err(undone)),
            };
            self.charge(bytes.len(), opening)?;
            object = Object { kind: object.kind, bytes: Rc::new(bytes) };
            self.cache.put(at, object.clone());
        }
        Ok(Ok(object))
    }

    /// The header of the entry at `at`, and what follows it.
    fn entry_at(&self, at: u64) -> Option<(Entry, Input<'static>)> {
        let extent = self.extent.as_ref()?;
        let mut input = Input::new(Body::At(extent.sub(at..extent.len())));
        let entry = entry(&mut input, at).ok()?;
        Some((entry, input))
    }

    /// The `size` bytes of a zlib stream.
    fn inflated(&mut self, mut input: Input<'_>, size: u64, most: u64) -> Result<Vec<u8>, Undone> {
        if size > most {
            return Err(Undone::TooLong);
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| Undone::TooLong)?];
        let mut inflate = Inflate::new(&mut input, u64::MAX, &mut self.raw, true);
        let mut made = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get_mut(made..) {
            match inflate.decode(rest) {
                Ok(0) | Err(_) => return Err(Undone::Malformed),
                Ok(n) => made = made.saturating_add(n),
            }
        }
        Ok(bytes)
    }

    /// Counts what applying deltas makes: a small pack can ask for terabytes of it.
    fn charge(&mut self, made: usize, opening: &Opening<'_>) -> Result<(), Cause> {
        opening.budget.borrow_mut().decoded(count(made))?;
        self.made = self.made.saturating_add(count(made).max(STEP));
        let (ratio, floor) =
            opening.limit(|limits| (limits.expansion_ratio, limits.expansion_floor));
        let limit = self.input.pos().saturating_mul(ratio).max(floor);
        if self.made > limit {
            let what = "bytes made by the deltas of a pack";
            return Err(Cause::Limit { what, limit, found: self.made });
        }
        Ok(())
    }

    /// Keeps where an object lies, the first of its kind, and calls those that waited for it.
    fn know(&mut self, id: Id, at: u64) {
        if self.ids.len() < IDS {
            self.ids.entry(id).or_insert(at);
        }
        self.ready.extend(self.waiting.remove(&id).unwrap_or_default());
    }

    /// Says which deltas were not applied.
    fn tell(&self, opening: &mut Opening<'_>) {
        let left = &self.left;
        let reasons = [
            (left.outside, Code::ContainerMalformed, "change objects that the pack does not hold"),
            (left.malformed, Code::ContainerMalformed, "do not fit the objects that they change"),
            (left.too_long, Code::LimitReached, "make or change objects that are too long"),
            (left.passed, Code::LimitReached, "lie in a stream that is too long to be held"),
        ];
        for (number, code, why) in reasons.into_iter().filter(|(number, ..)| *number > 0) {
            let text = format!("{number} deltas {why}; what they insert was scanned");
            let at = left.first.unwrap_or_default();
            opening.problem(Problem::new(Level::Error, code, at, text));
        }
    }
}

/// Object `kind` at this offset, for a report.
fn member<'m>(kind: &str, at: u64, body: Body<'m>) -> Member<'m> {
    let name = format!("{kind}@{at}").into_bytes();
    Member { name, kind: MemberKind::File, size: None, mtime: None, body }
}

/// What the id of an object is the sum of, before the object itself.
fn object_header(kind: Kind, size: u64) -> String {
    format!("{} {size}\0", kind.name())
}

/// Sums what it inflates.
struct Summed<'i, 'a> {
    inflate: Inflate<'i, 'a>,
    sum: Sha1,
}

impl Decoder for Summed<'_, '_> {
    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Cause> {
        let made = self.inflate.decode(out)?;
        self.sum.update(out.get(..made).unwrap_or_default());
        Ok(made)
    }

    fn pos(&self) -> u64 {
        self.inflate.pos()
    }
}
