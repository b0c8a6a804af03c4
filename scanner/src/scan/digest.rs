//! Digests of blobs in OCI layouts, which are their names: checked where all of a blob is read anyway.
//! Documents are, and compressed layers; of layers that are not, only the length is compared, so that
//! a file and a pipe give the same report.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::walk::{Ledger, Walk};
use crate::archive::{Body, Container, Stream};
use crate::checkpoint::Builder;
use crate::diagnostic::{Code, Diagnostic, Level};

/// Reads through to another reader and hashes what passes.
struct Hashing<'a> {
    inner: &'a mut dyn Read,
    hash: Sha256,
    /// Bytes that have passed.
    len: u64,
}

impl<'a> Hashing<'a> {
    fn new(inner: &'a mut dyn Read) -> Self {
        Self { inner, hash: Sha256::new(), len: 0 }
    }

    /// Reads the rest, and gives the digest of all in hexadecimal and its length.
    fn finish(mut self) -> io::Result<(String, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((data_encoding::HEXLOWER.encode(&self.hash.finalize()), self.len))
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.hash.update(buf.get(..len).unwrap_or_default());
        self.len = self.len.saturating_add(len as u64);
        Ok(len)
    }
}

impl Walk<'_> {
    /// Compares a document with the digest that is its name.
    pub(super) fn check_document(&mut self, path: &str, size: Option<u64>, data: &[u8]) {
        // One that was cut is told already.
        if Builder::digest(path).is_some() && size == Some(data.len() as u64) {
            let found = data_encoding::HEXLOWER.encode(&Sha256::digest(data));
            self.check_digest(path, &found);
        }
    }

    /// Walks a compressed blob of an OCI layout, and compares it with its digest.
    pub(super) fn blob(
        &mut self,
        path: &str,
        container: &'static Container,
        size: Option<u64>,
        bytes: &mut dyn Read,
        ledger: Ledger,
    ) -> (u64, u64) {
        let mut counted = Hashing::new(bytes);
        let walked = self.nested(path, container, Body::Stream(Stream::new(&mut counted)), ledger);
        // One that was cut is told already.
        if let Ok((found, len)) = counted.finish()
            && size.is_none_or(|size| size == len)
        {
            self.check_digest(path, &found);
        }
        walked
    }

    /// Compares the digest of a blob with its name.
    fn check_digest(&mut self, path: &str, found: &str) {
        let Some(expected) = Builder::digest(path).filter(|expected| *expected != found) else {
            return;
        };
        let text = "not the blob that its name promises: damaged, or replaced; it was scanned";
        let note = Diagnostic::new(Level::Warning, Code::DigestMismatch, path, text);
        self.note(note.expected(format!("sha256:{expected}"), format!("sha256:{found}")));
    }
}
