//! What stands for YARA in a build without it: nothing can be loaded, so nothing can run.

use std::convert::Infallible;
use std::path::PathBuf;

use super::model::{LoadError, RuleInfo, Subject, Yield};
use crate::diagnostic::Diagnostic;
use crate::limits::Limits;

/// No rules.
#[derive(Debug)]
pub struct Rules(Infallible);

impl Rules {
    /// Cannot load anything.
    ///
    /// # Errors
    /// Always.
    pub fn load(_: &[PathBuf], _: bool, _: &Limits) -> Result<Self, LoadError> {
        Err(LoadError::Absent)
    }

    /// The rules, in the order of their index.
    pub fn infos(&self) -> &[RuleInfo] {
        match self.0 {}
    }

    /// `blake3:…` over all rule texts.
    pub fn hash(&self) -> &str {
        match self.0 {}
    }

    /// What is wrong with rules, and how they will be run.
    pub fn notes(&self) -> &[Diagnostic] {
        match self.0 {}
    }
}

/// Never made.
#[derive(Debug)]
pub struct Scanner<'r>(&'r Rules);

impl<'r> Scanner<'r> {
    /// Never called, as there are no rules.
    pub fn new(rules: &'r Rules, _: &Limits, _: bool) -> Self {
        Self(rules)
    }

    /// Never called.
    pub fn begin(&mut self, _: Subject<'_>) {
        match self.0.0 {}
    }

    /// Never called.
    pub fn feed(&mut self, _: Subject<'_>, _: u64, _: u64, _: &[u8]) {
        match self.0.0 {}
    }

    /// Never called.
    pub fn finish(&mut self, _: Subject<'_>) -> Yield {
        match self.0.0 {}
    }
}
