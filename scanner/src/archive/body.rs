//! The bytes of a member, and a look at their beginning.

use std::io::{self, Read};
use std::sync::Arc;

use super::source::{Extent, Source};
use super::sparse::Sparse;
use super::stream::Stream;

/// The bytes of a member: a range that can be read again and by other threads, or a stream that
/// passes once.
pub enum Body<'a> {
    /// A range of a file or of memory.
    At(Extent),
    /// Bytes as they come.
    Stream(Stream<'a>),
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(extent) => f.debug_tuple("At").field(extent).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl<'a> Body<'a> {
    /// What of a sparse file is stored; `None` for all of it.
    pub fn map(&self) -> Option<&Arc<Sparse>> {
        match self {
            Self::At(extent) => extent.map(),
            Self::Stream(stream) => stream.map(),
        }
    }

    /// Reads it from its start to its end.
    pub fn reader(self) -> Box<dyn Read + 'a> {
        match self {
            Self::At(extent) => Box::new(extent.reader()),
            Self::Stream(stream) => Box::new(stream),
        }
    }

    /// The same as a range, if it is a stream of at most `most` bytes without holes, which are then
    /// read; a longer one passes once, as before.
    ///
    /// # Errors
    /// From reading it.
    pub fn hold(self, most: u64) -> io::Result<Self> {
        match self {
            Self::At(extent) => Ok(Self::At(extent)),
            Self::Stream(stream) if stream.map().is_some() => Ok(Self::Stream(stream)),
            Self::Stream(mut stream) => match stream.whole(most)? {
                Some(bytes) => Ok(Self::At(Extent::all(Source::bytes(bytes)))),
                None => Ok(Self::Stream(stream)),
            },
        }
    }

    /// Looks at its beginning; [`Peek::body`] is the whole again.
    ///
    /// # Errors
    /// From reading it.
    pub fn peek(self) -> io::Result<(Head, Peek<'a>)> {
        match self {
            Self::At(extent) => {
                let head = Head::read(&mut extent.reader())?;
                Ok((head, Peek(Peeked::At(extent))))
            }
            Self::Stream(mut stream) => {
                let head = Head(stream.look(Head::BYTES)?);
                Ok((head, Peek(Peeked::Stream(stream))))
            }
        }
    }
}

/// The first 512 bytes of a body, or all of it.
#[derive(Debug, Clone)]
pub struct Head(Vec<u8>);

impl Head {
    /// Enough to tell every container and image.
    const BYTES: u64 = 512;

    #[expect(clippy::disallowed_methods, reason = "bounded by take")]
    fn read(from: &mut dyn Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        from.take(Self::BYTES).read_to_end(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A body whose beginning was looked at.
pub struct Peek<'a>(Peeked<'a>);

enum Peeked<'a> {
    At(Extent),
    Stream(Stream<'a>),
}

impl std::fmt::Debug for Peek<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peek")
    }
}

impl Peek<'_> {
    /// The body from its start on; a stream passes once, so ask once.
    pub fn body(&mut self) -> Body<'_> {
        match &mut self.0 {
            Peeked::At(extent) => Body::At(extent.clone()),
            Peeked::Stream(stream) => Body::Stream(stream.lend()),
        }
    }
}
