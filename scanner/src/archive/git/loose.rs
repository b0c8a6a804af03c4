//! A loose object: a zlib stream of `blob 123`, a zero, and the object.

use flate2::Decompress;

use crate::archive::error::{Cause, ContainerError};
use crate::archive::inflate::{Inflate, glance};
use crate::archive::input::Input;
use crate::archive::packed::{Decoder, Metered};
use crate::archive::stream::Stream;
use crate::archive::{Body, Consumed, Flow, Member, MemberKind, Opening};

/// Longest header: `commit`, a space, twenty digits and a zero.
const HEADER: usize = 28;

pub(in crate::archive) fn is(head: &[u8]) -> bool {
    let mut out = [0; HEADER];
    glance(head, &mut out).is_some_and(|(made, _)| header(made).is_some())
}

/// The type of an object, and the bytes of its header.
fn header(beginning: &[u8]) -> Option<(&'static str, usize)> {
    let kinds = ["blob", "tree", "commit", "tag"];
    let kind = kinds.into_iter().find(|kind| beginning.starts_with(kind.as_bytes()))?;
    let size = beginning.get(kind.len()..)?.strip_prefix(b" ")?;
    let digits = size.iter().position(|byte| !byte.is_ascii_digit())?;
    let is_header = digits > 0 && size.get(digits) == Some(&0);
    is_header.then_some((kind, kind.len().saturating_add(digits).saturating_add(2)))
}

pub(in crate::archive) fn open(
    body: Body<'_>,
    opening: &mut Opening<'_>,
) -> Result<Consumed, ContainerError> {
    let mut input = Input::new(body);
    let mut raw = Decompress::new(true);
    let walked = walk(&mut input, &mut raw, opening);
    let consumed = input.pos();
    match walked.and_then(|()| input.fault().map_or(Ok(()), Err)) {
        Ok(()) => Ok(Consumed { bytes: consumed }),
        Err(cause) => {
            Err(ContainerError { container: "git-object", offset: consumed, consumed, cause })
        }
    }
}

fn walk(
    input: &mut Input<'_>,
    raw: &mut Decompress,
    opening: &mut Opening<'_>,
) -> Result<(), Cause> {
    let mut inflate = Inflate::new(input, u64::MAX, raw, true);
    let mut start = Vec::new();
    // One byte at a time, so that not one of the object's is taken.
    while start.len() < HEADER && start.last() != Some(&0) {
        let mut byte = [0];
        if inflate.decode(&mut byte)? == 0 {
            break;
        }
        start.extend(byte);
    }
    let Some((kind, _)) = header(&start) else {
        let expected = "the header of an object of git".to_owned();
        return Err(Cause::Malformed { expected, found: start.escape_ascii().to_string() });
    };
    let mut body = Metered::new(inflate, opening.budget, true);
    let flow = opening.member(Member {
        name: kind.as_bytes().to_vec(),
        kind: MemberKind::File,
        size: None,
        mtime: None,
        body: Body::Stream(Stream::new(&mut body)),
    })?;
    if flow == Flow::Stop {
        return Ok(());
    }
    // What checks its sum.
    body.at_end();
    if let Some(cause) = body.fault {
        return Err(cause);
    }
    input.skip(u64::MAX);
    Ok(())
}
