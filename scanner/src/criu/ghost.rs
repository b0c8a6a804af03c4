//! ghost-file-ID.img: files that were deleted while they were open.

use cryoscan_proto::{GhostChunkEntry, GhostFileEntry};

use super::contents::{Contained, Object, field};
use super::{Image, ImageError, ImageErrorKind, Key, Records};
use crate::limits::Limits;

pub(super) const GHOST_FILE: u32 = 0x5258_3605;

/// Whether a ghost is stored in chunks, or its beginning does not say so.
pub(super) fn is_chunked(data: &[u8]) -> bool {
    let head = Image::new("", data, GHOST_FILE, &Limits::default())
        .and_then(|mut image| image.required::<GhostFileEntry>());
    head.map_or(true, |head| head.chunks())
}

pub(super) fn file(image: &mut Contained<'_>, id: Key, _: &mut Records) -> Result<(), ImageError> {
    // The target of a symbolic link is a field of the record.
    const TARGET: u32 = 11;
    let ghost = Object::Ghost(id);
    let Some((entry, body, offset)) = image.body::<GhostFileEntry>()? else {
        return image.required::<GhostFileEntry>().map(drop);
    };
    let mut end = 0u64;
    for target in field(body, TARGET) {
        let len = target.end.saturating_sub(target.start);
        image.take(ghost, Some(end), offset.saturating_add(target.start), len)?;
        // A link has no other content; of a file that has both, they stay apart.
        end = end.saturating_add(len).saturating_add(1);
    }
    if !entry.chunks() {
        let offset = image.offset();
        let rest = image.rest(offset);
        return image.take(ghost, Some(end), offset, rest).map(drop);
    }
    while let Some(chunk) = image.record::<GhostChunkEntry>()? {
        let (at, len) = (chunk.off(), chunk.len());
        let Some(next) = at.checked_add(len).filter(|_| at >= end) else {
            return Err(image.fault(ImageErrorKind::Disorder { at, end }));
        };
        image.take_next(ghost, Some(at), len, 0)?;
        end = next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::criu::contents::{Contents, contents};
    use crate::criu::sample::{size, with_payload};

    fn found(data: &[u8]) -> Contents {
        let (name, len) = ("ghost-file-1f.img", size(data));
        let limits = Limits::default();
        contents(name, name.as_bytes(), data, len, &limits, &mut Records::default())
            .expect("all of it")
    }

    fn places(found: &Contents) -> Vec<(Option<u64>, u64, u64)> {
        found.contents.iter().map(|it| (it.at, it.offset, it.len)).collect()
    }

    fn chunk(off: u64, len: u64) -> (Vec<u8>, Vec<u8>) {
        let entry = GhostChunkEntry { len: Some(len), off: Some(off) };
        (entry.encode_to_vec(), vec![b'x'; usize::try_from(len).unwrap_or(3).min(3)])
    }

    fn head(head: &GhostFileEntry) -> (Vec<u8>, Vec<u8>) {
        (head.encode_to_vec(), Vec::new())
    }

    #[test]
    fn a_whole_file_goes_to_the_end() {
        let entry = GhostFileEntry { mode: Some(0o100_600), ..Default::default() };
        let data = with_payload(GHOST_FILE, &[(entry.encode_to_vec(), b"content".to_vec())]);
        let found = found(&data);
        assert_eq!(found.contents[0].object, Object::Ghost(0x1f));
        assert_eq!(places(&found), [(Some(0), size(&data) - 7, 7)]);
    }

    #[test]
    fn chunks_lie_where_they_say() {
        let entry =
            GhostFileEntry { chunks: Some(true), size: Some(1 << 40), ..Default::default() };
        let data =
            with_payload(GHOST_FILE, &[head(&entry), chunk(0, 3), chunk(3, 2), chunk(4096, 3)]);
        let found = found(&data);
        let at: Vec<_> = found.contents.iter().map(|it| (it.at, it.len)).collect();
        assert_eq!(at, [(Some(0), 3), (Some(3), 2), (Some(4096), 3)]);
        assert_eq!((found.fault, found.end), (None, size(&data)));
    }

    #[test]
    fn chunks_over_others_and_beyond_all_files_are_faults() {
        let entry = GhostFileEntry { chunks: Some(true), ..Default::default() };
        for bad in [chunk(2, 3), chunk(u64::MAX, 3), chunk(8, u64::MAX)] {
            let good = with_payload(GHOST_FILE, &[head(&entry), chunk(0, 3)]);
            let data = with_payload(GHOST_FILE, &[head(&entry), chunk(0, 3), bad]);
            let found = found(&data);
            assert_eq!((found.contents.len(), found.end), (1, size(&good)));
            let kind = found.fault.map(|fault| fault.kind);
            assert!(matches!(kind, Some(ImageErrorKind::Disorder { end: 3, .. })), "{kind:?}");
        }
        let data = with_payload(GHOST_FILE, &[head(&entry), chunk(0, 3), chunk(8, 9)]);
        let found = found(&data);
        assert_eq!(found.contents.len(), 2);
        assert!(matches!(
            found.fault.map(|fault| fault.kind),
            Some(ImageErrorKind::Truncated { expected: 9, found: 3 })
        ));
    }

    #[test]
    fn the_target_of_a_link_is_content() {
        let target = b"/run/secrets/token".to_vec();
        let entry = GhostFileEntry { symlnk_target: Some(target.clone()), ..Default::default() };
        let data = with_payload(GHOST_FILE, &[head(&entry)]);
        let (_, offset, len) = places(&found(&data))[0];
        let at = usize::try_from(offset).expect("small");
        assert_eq!(&data[at..], target);
        assert_eq!(len, size(&target));
    }
}
