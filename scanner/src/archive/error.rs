//! What can be wrong with a container, and how it becomes a [`Diagnostic`].

use std::io;

use super::name;
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Exceeded;

/// A problem after which the container goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// What kind of problem.
    pub code: Code,
    /// The member it is about, in normal form; empty: the container itself.
    pub member: Vec<u8>,
    /// Bytes from the start of that member, or of the container.
    pub offset: u64,
    /// Stored bytes of the container that are part of no member because of it.
    pub lost: u64,
    /// One line: lower case, no full stop.
    pub message: String,
    /// What should have been there.
    pub expected: Option<String>,
    /// What was there.
    pub found: Option<String>,
}

impl Problem {
    /// A problem of the container at `offset`, without loss and expectation.
    pub(super) fn new(level: Level, code: Code, offset: u64, message: impl Into<String>) -> Self {
        Self {
            level,
            code,
            member: Vec::new(),
            offset,
            lost: 0,
            message: message.into(),
            expected: None,
            found: None,
        }
    }

    /// A problem of a member, from its start.
    pub(super) fn of(member: &[u8], code: Code, message: impl Into<String>) -> Self {
        Self { member: member.to_vec(), ..Self::new(Level::Error, code, 0, message) }
    }

    /// Bytes behind the end of a container.
    pub(super) fn stale_tail(offset: u64, lost: u64) -> Self {
        let message = format!("{lost} bytes behind the end mark, not scanned");
        Self { lost, ..Self::new(Level::Warning, Code::StaleTail, offset, message) }
            .expected("zeros or the end of the file", "other bytes")
    }

    /// The same, hiding `bytes` of the container.
    pub(super) fn lost(mut self, bytes: u64) -> Self {
        self.lost = bytes;
        self
    }

    /// The same, with what was expected and what was found.
    pub(super) fn expected(
        mut self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// The problem in a report, for a container with this path chain (in display form).
    pub fn diagnostic(self, chain: &str) -> Diagnostic {
        Diagnostic {
            level: self.level,
            code: self.code,
            member: name::chain(chain, &self.member),
            offset: self.offset,
            message: self.message,
            expected: self.expected,
            found: self.found,
        }
    }
}

/// Why a container was not walked to its end.
#[derive(Debug, thiserror::Error)]
#[error("{container} at byte {offset:#x}: {cause}")]
pub struct ContainerError {
    /// Name of the format.
    pub container: &'static str,
    /// Where, in stored bytes from the start of the container.
    pub offset: u64,
    /// Stored bytes that were taken from it.
    pub consumed: u64,
    /// What is wrong.
    #[source]
    pub cause: Cause,
}

/// What is wrong with a container.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It ends before something that it announced.
    #[error("expected {expected} more bytes, found {found}")]
    Truncated {
        /// Bytes that should follow, at least.
        expected: u64,
        /// Bytes that follow.
        found: u64,
    },
    /// It does not follow its format.
    #[error("expected {expected}, found {found}")]
    Malformed {
        /// What the format asks for.
        expected: String,
        /// What was there.
        found: String,
    },
    /// It costs more than a limit allows.
    #[error("{what}: limit of {limit} reached, found {found}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: u64,
        /// What was found, at least.
        found: u64,
    },
    /// Its bytes could not be read.
    #[error("failed to read: {0}")]
    Io(#[source] io::Error),
    /// The visitor failed; nothing is known to be wrong with the container.
    #[error("failed to take a member: {0}")]
    Visitor(#[source] io::Error),
}

impl From<Exceeded> for Cause {
    fn from(Exceeded { what, limit }: Exceeded) -> Self {
        Self::Limit { what, limit, found: limit.saturating_add(1) }
    }
}

impl ContainerError {
    /// The error in a report, for a container with this path chain (in display form).
    pub fn diagnostic(&self, chain: &str) -> Diagnostic {
        let container = self.container;
        let (code, message, expected_and_found) = match &self.cause {
            Cause::Truncated { expected, found } => (
                Code::ContainerTruncated,
                format!("{container} ends early, what came before was scanned"),
                Some((format!("{expected} bytes"), format!("{found} bytes"))),
            ),
            Cause::Malformed { expected, found } => (
                Code::ContainerMalformed,
                format!("{container} is damaged, what came before was scanned"),
                Some((expected.clone(), found.clone())),
            ),
            Cause::Limit { what, limit, found } => (
                Code::LimitReached,
                format!("{container}: {what}, what came before was scanned"),
                Some((format!("at most {limit}"), format!("{found} or more"))),
            ),
            Cause::Io(error) | Cause::Visitor(error) => {
                (Code::MemberUnreadable, format!("{container} could not be read: {error}"), None)
            }
        };
        let diagnostic = Diagnostic::new(Level::Error, code, chain, message).at(self.offset);
        match expected_and_found {
            Some((expected, found)) => diagnostic.expected(expected, found),
            None => diagnostic,
        }
    }
}
