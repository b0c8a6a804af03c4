//! Framing of an image: magic words, then records, each with its length before it.

use std::fmt::Debug;

use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message};

use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;

/// First word of an image since CRIU 1.6 (criu/include/magic.h, `IMG_COMMON_MAGIC`).
const COMMON: u32 = 0x5456_4319;
/// The same for files beside the images, such as stats-dump (`IMG_SERVICE_MAGIC`).
const SERVICE: u32 = 0x5510_5940;
/// Fields at the top of one record. Two bytes of a record can make a structure of over 100 bytes in
/// memory; the largest honest record is an address space of 65 530 mappings, times 16 where the
/// host's limit was raised.
const FIELDS: usize = 1 << 20;

/// What is wrong with an image, and where: enough to open it in a hex viewer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} at byte {offset:#x}: {kind}")]
pub struct ImageError {
    /// The image, as the caller named it.
    pub file: String,
    /// Bytes from the start of the image.
    pub offset: u64,
    /// What is wrong there.
    #[source]
    pub kind: ImageErrorKind,
}

/// What can be wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageErrorKind {
    /// The content is not what the name of the image says.
    #[error("expected magic {expected:#010x}, found {found:#010x}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    Magic { expected: u32, found: u32 },
    /// The dumping host was big-endian (s390x).
    #[error("expected a little-endian image, found a big-endian one")]
    BigEndian,
    /// The image ends where it must not.
    #[error("expected {expected} more bytes, found {found}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    Truncated { expected: u64, found: u64 },
    /// All of the record is there and it is larger than [`Limits::record_bytes`].
    #[error("record of {found} bytes exceeds the limit of {limit}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    TooLong { limit: u64, found: u64 },
    /// The image has more records than [`Limits::records`], or a record too many fields.
    #[error("more than {limit} {what}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    TooMany { what: &'static str, limit: u64 },
    /// A part of a file lies over another, or beyond the end of all files.
    #[error("a part at {at:#x}, where the one before it ends at {end:#x}")]
    #[expect(missing_docs, reason = "the message names the fields")]
    Disorder { at: u64, end: u64 },
    /// The record is no protobuf message, or another one.
    #[error("record does not decode: {0}")]
    Protobuf(#[from] DecodeError),
}

impl ImageErrorKind {
    fn code(&self) -> Code {
        match self {
            Self::Truncated { .. } => Code::ImageTruncated,
            Self::TooLong { .. } | Self::TooMany { .. } => Code::LimitReached,
            Self::Magic { .. } | Self::BigEndian | Self::Disorder { .. } | Self::Protobuf(_) => {
                Code::ImageMalformed
            }
        }
    }

    fn expected_and_found(&self) -> Option<(String, String)> {
        match self {
            Self::Magic { expected, found } => {
                Some((format!("{expected:#010x}"), format!("{found:#010x}")))
            }
            Self::BigEndian => Some(("little-endian".to_owned(), "big-endian".to_owned())),
            Self::Truncated { expected, found } => {
                Some((format!("{expected} bytes"), format!("{found} bytes")))
            }
            Self::TooLong { limit, found } => {
                Some((format!("at most {limit} bytes"), format!("{found} bytes")))
            }
            Self::TooMany { what, limit } => {
                Some((format!("at most {limit} {what}"), "more".to_owned()))
            }
            Self::Disorder { at, end } => {
                Some((format!("an offset from {end} on"), format!("{at}")))
            }
            Self::Protobuf(_) => None,
        }
    }
}

impl From<ImageError> for Diagnostic {
    fn from(error: ImageError) -> Self {
        let message = error.kind.to_string();
        let diagnostic = Self::new(Level::Error, error.kind.code(), &error.file, message);
        let diagnostic = diagnostic.at(error.offset);
        match error.kind.expected_and_found() {
            Some((expected, found)) => diagnostic.expected(expected, found),
            None => diagnostic,
        }
    }
}

/// An image that is being read, from the first record to the last.
///
/// Nothing is allocated for a record before all its bytes are known to be there.
#[derive(Debug)]
pub struct Image<'a> {
    name: &'a str,
    data: &'a [u8],
    pos: usize,
    record_bytes: u32,
    records: u64,
    records_left: u64,
}

impl<'a> Image<'a> {
    /// Checks the magic words of `data`; `name` is for errors only.
    ///
    /// Images begin with `magic` alone (inventory.img, and all images before CRIU 1.6) or after a
    /// common first word.
    ///
    /// # Errors
    /// When the magic is another one, in the other byte order, or not there.
    pub fn new(
        name: &'a str,
        data: &'a [u8],
        magic: u32,
        limits: &Limits,
    ) -> Result<Self, ImageError> {
        let mut image = Self {
            name,
            data,
            pos: 0,
            record_bytes: limits.record_bytes,
            records: limits.records,
            records_left: limits.records,
        };
        let mut at = 0;
        let mut found = image.word()?;
        if [COMMON, SERVICE, magic].contains(&found.swap_bytes()) {
            return Err(image.error(at, ImageErrorKind::BigEndian));
        }
        if [COMMON, SERVICE].contains(&found) {
            at = image.offset();
            found = image.word()?;
        }
        if found != magic {
            return Err(image.error(at, ImageErrorKind::Magic { expected: magic, found }));
        }
        Ok(image)
    }

    /// Decodes the next record; `None` at a clean end of the image.
    ///
    /// # Errors
    /// When the record is cut, over a limit, or no message of this type.
    pub fn record<M: Message + Default>(&mut self) -> Result<Option<M>, ImageError> {
        let at = self.offset();
        self.body()?.map(|body| self.message(at, body)).transpose()
    }

    /// The bytes of the next record, which end where [`Self::offset`] then is; `None` at a clean end.
    ///
    /// # Errors
    /// When the record is cut, or over a limit.
    pub fn body(&mut self) -> Result<Option<&'a [u8]>, ImageError> {
        if self.pos == self.data.len() {
            return Ok(None);
        }
        let at = self.offset();
        self.records_left = self.records_left.checked_sub(1).ok_or_else(|| {
            self.error(at, ImageErrorKind::TooMany { what: "records", limit: self.records })
        })?;
        let len = self.word()?;
        let body = self.payload(len.into())?;
        if len > self.record_bytes {
            let (limit, found) = (self.record_bytes.into(), len.into());
            return Err(self.error(at, ImageErrorKind::TooLong { limit, found }));
        }
        Ok(Some(body))
    }

    /// Decodes the next record, which must be there: the head of a pagemap, the only record of an
    /// image that has one.
    ///
    /// # Errors
    /// As [`Self::record`], and at the end of the image.
    pub fn required<M: Message + Default>(&mut self) -> Result<M, ImageError> {
        match self.record()? {
            Some(message) => Ok(message),
            None => Err(self.truncated(4, 0)),
        }
    }

    /// Decodes all further records, up to the end of the image or the first error.
    ///
    /// # Errors
    /// As [`Self::record`]; `take` has had the records before it.
    pub fn each<M: Message + Default>(
        &mut self,
        mut take: impl FnMut(M),
    ) -> Result<(), ImageError> {
        while let Some(message) = self.record()? {
            take(message);
        }
        Ok(())
    }

    /// Decodes a message that is a field of the record that began at byte `at` of the image.
    ///
    /// # Errors
    /// When it has too many fields, or is no message of this type.
    pub fn message<M: Message + Default>(&self, at: u64, body: &[u8]) -> Result<M, ImageError> {
        if too_many_fields(body) {
            let limit = u64::try_from(FIELDS).unwrap_or(u64::MAX);
            return Err(self.error(at, ImageErrorKind::TooMany { what: "fields", limit }));
        }
        M::decode(body).map_err(|error| self.error(at, error.into()))
    }

    /// The next `len` bytes, which belong to the record before them.
    ///
    /// # Errors
    /// When the image ends before.
    pub fn payload(&mut self, len: u64) -> Result<&'a [u8], ImageError> {
        let rest = self.data.get(self.pos..).unwrap_or_default();
        let taken = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
        let Some((payload, _)) = taken else {
            return Err(self.truncated(len, u64::try_from(rest.len()).unwrap_or(u64::MAX)));
        };
        self.pos = self.pos.saturating_add(payload.len());
        Ok(payload)
    }

    /// Bytes from the start of the image to what is read next.
    pub fn offset(&self) -> u64 {
        u64::try_from(self.pos).unwrap_or(u64::MAX)
    }

    fn word(&mut self) -> Result<u32, ImageError> {
        let bytes = self.payload(4)?;
        <[u8; 4]>::try_from(bytes)
            .map(u32::from_le_bytes)
            .map_err(|_| self.truncated(4, u64::try_from(bytes.len()).unwrap_or(0)))
    }

    fn truncated(&self, expected: u64, found: u64) -> ImageError {
        self.error(self.offset(), ImageErrorKind::Truncated { expected, found })
    }

    /// An error at a byte of the image.
    pub fn error(&self, offset: u64, kind: ImageErrorKind) -> ImageError {
        ImageError { file: self.name.to_owned(), offset, kind }
    }
}

/// Whether a message has more than [`FIELDS`] fields; one that does not parse has what came before.
fn too_many_fields(mut body: &[u8]) -> bool {
    let mut fields = 0_usize;
    // A field takes two bytes or more.
    while body.len() / 2 > FIELDS.saturating_sub(fields) {
        let skipped = decode_key(&mut body)
            .and_then(|(tag, wire)| skip_field(wire, tag, &mut body, DecodeContext::default()));
        if skipped.is_err() {
            return false;
        }
        fields = fields.saturating_add(1);
        if fields > FIELDS {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::{MmEntry, PagemapHead, PipeDataEntry};

    use super::*;
    use crate::criu::sample::framed;

    const PAGEMAP: u32 = 0x5608_4025;

    fn open<'a>(data: &'a [u8], limits: &Limits) -> Result<Image<'a>, ImageError> {
        Image::new("checkpoint/pagemap-7.img", data, PAGEMAP, limits)
    }

    #[test]
    fn one_or_two_magic_words() {
        let record = [2, 0, 0, 0, 8, 9];
        for first in [&[][..], &COMMON.to_le_bytes(), &SERVICE.to_le_bytes()] {
            let data = [first, &PAGEMAP.to_le_bytes(), &record].concat();
            let mut image = open(&data, &Limits::default()).expect("the magic is there");
            let head: PagemapHead = image.required().expect("a record");
            assert_eq!(head.pages_id(), 9);
            assert_eq!(image.record::<PagemapHead>(), Ok(None));
        }
    }

    #[test]
    fn foreign_magic_names_file_offset_expected_and_found() {
        let data = framed(PAGEMAP + 1, &[]);
        let error = open(&data, &Limits::default()).expect_err("another magic");
        assert_eq!(
            error.to_string(),
            "checkpoint/pagemap-7.img at byte 0x4: expected magic 0x56084025, found 0x56084026"
        );
        let diagnostic = Diagnostic::from(error);
        assert_eq!((diagnostic.code, diagnostic.offset), (Code::ImageMalformed, 4));
        assert_eq!(diagnostic.member, "checkpoint/pagemap-7.img");
        assert_eq!(diagnostic.expected.as_deref(), Some("0x56084025"));
        assert_eq!(diagnostic.found.as_deref(), Some("0x56084026"));
    }

    #[test]
    fn big_endian_images_are_named_as_such() {
        for first in [COMMON, SERVICE, PAGEMAP] {
            let error = open(&first.to_be_bytes(), &Limits::default()).expect_err("big-endian");
            assert_eq!((error.offset, error.kind), (0, ImageErrorKind::BigEndian));
        }
    }

    #[test]
    fn a_cut_image_says_how_much_is_missing() {
        let cases = [
            (&[][..], 0, 4, 0),
            (&[0x19, 0x43], 0, 4, 2),
            (&[0x19, 0x43, 0x56, 0x54, 0x25], 4, 4, 1),
        ];
        for (data, offset, expected, found) in cases {
            let error = open(data, &Limits::default()).expect_err("cut");
            let kind = ImageErrorKind::Truncated { expected, found };
            assert_eq!((error.offset, error.kind), (offset, kind));
        }
        let data = [&framed(PAGEMAP, &[])[..], &[0xff, 0xff, 0xff, 0xff, 8, 9]].concat();
        let mut image = open(&data, &Limits::default()).expect("the magic is there");
        let error = image.record::<PagemapHead>().expect_err("4 GiB are not there");
        let kind = ImageErrorKind::Truncated { expected: 0xffff_ffff, found: 2 };
        assert_eq!((error.offset, &error.kind), (12, &kind));
        assert_eq!(Diagnostic::from(error).code, Code::ImageTruncated);
    }

    #[test]
    fn limits_hold_for_the_record_and_for_the_image() {
        let data = framed(PAGEMAP, &[vec![8, 1], vec![8, 2], vec![8, 3, 8, 3]]);
        let limits = Limits { record_bytes: 3, records: 3, ..Limits::default() };
        let mut image = open(&data, &limits).expect("the magic is there");
        let mut ids = Vec::new();
        let error = image.each(|head: PagemapHead| ids.push(head.pages_id())).expect_err("long");
        assert_eq!(ids, [1, 2]);
        assert_eq!(
            (error.offset, error.kind),
            (20, ImageErrorKind::TooLong { limit: 3, found: 4 })
        );

        let limits = Limits { records: 2, ..Limits::default() };
        let mut image = open(&data, &limits).expect("the magic is there");
        let error = image.each(|_: PagemapHead| ()).expect_err("a record too many");
        let kind = ImageErrorKind::TooMany { what: "records", limit: 2 };
        assert_eq!((error.offset, &error.kind), (20, &kind));
        assert_eq!(Diagnostic::from(error).code, Code::LimitReached);
    }

    #[test]
    fn a_small_record_cannot_make_many_structures() {
        let data = |vmas: usize| framed(PAGEMAP, &[[0x72, 0].repeat(vmas)]); // Empty mappings.
        let full = data(FIELDS);
        let mut image = open(&full, &Limits::default()).expect("the magic is there");
        assert_eq!(image.required::<MmEntry>().map(|mm| mm.vmas.len()), Ok(FIELDS));
        let over = data(FIELDS + 1);
        let mut image = open(&over, &Limits::default()).expect("the magic is there");
        let error = image.required::<MmEntry>().expect_err("too many");
        assert!(matches!(error.kind, ImageErrorKind::TooMany { what: "fields", .. }));
    }

    #[test]
    fn bytes_after_a_record_are_its_payload() {
        // pipes-data.img of CRIU 4.2: pipe 143820, 22 bytes, capacity 65536; another payload.
        let mut data = framed(0x5645_3709, &[vec![8, 0xcc, 0xe3, 8, 16, 22, 24, 0x80, 0x80, 4]]);
        data.extend([b'x'; 22]);
        let mut image = Image::new("pipes-data.img", &data, 0x5645_3709, &Limits::default())
            .expect("the magic is there");
        let entry: PipeDataEntry = image.required().expect("a record");
        assert_eq!((entry.pipe_id(), entry.bytes(), entry.size()), (143_820, 22, 65_536));
        assert_eq!(image.offset(), 22);
        assert_eq!(image.payload(22), Ok(&[b'x'; 22][..]));
        assert_eq!(image.record::<PipeDataEntry>(), Ok(None));
        let kind = ImageErrorKind::Truncated { expected: u64::MAX, found: 0 };
        assert_eq!(image.payload(u64::MAX).map_err(|error| error.kind), Err(kind));
    }
}
