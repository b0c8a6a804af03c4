//! Rules, compiled before a scan or by the first of its threads that needs them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::cache::Identity;
use super::{ScanError, Settings};
use crate::matching::{Engine, Kernel};
use crate::rule::RuleSet;

/// Rules and patterns, compiled: for who scans many small targets, since it takes longer than each.
#[derive(Debug)]
pub struct Prepared {
    pub(super) engine: Engine,
    pub(super) key_name: String,
}

impl Prepared {
    /// Compiles the rules, the patterns of [`Settings::grep`] and the key of fingerprints.
    ///
    /// # Errors
    /// When a rule or a pattern is wrong.
    pub fn new(settings: &Settings) -> Result<Self, ScanError> {
        engine(settings).map(|(engine, key_name)| Self { engine, key_name })
    }

    /// Under what a [`Cache`](super::Cache) can be used again: these rules, patterns and lists, run by a program of which
    /// `program` is all that makes it another one.
    pub fn identity(&self, settings: &Settings, program: &[u8]) -> Identity {
        let mut hasher = blake3::Hasher::new_derive_key("cryoscan 2026 identity of a cache");
        let lists = settings.indicators.iter().map(|lists| lists.indicators.hash());
        let grep = settings.grep.iter().cloned();
        let texts = [self.engine.rules().hash().to_owned()].into_iter().chain(lists).chain(grep);
        for text in texts {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        Identity(*hasher.update(program).finalize().as_bytes())
    }
}

/// Rules that whoever needs them first compiles, while others wait for it.
pub(super) struct Lazy<'a> {
    settings: &'a Settings,
    ready: Option<&'a Prepared>,
    made: OnceLock<Option<Prepared>>,
    error: Mutex<Option<ScanError>>,
}

impl<'a> Lazy<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, ready: None, made: OnceLock::new(), error: Mutex::default() }
    }

    pub(super) fn ready(settings: &'a Settings, prepared: &'a Prepared) -> Self {
        Self { ready: Some(prepared), ..Self::new(settings) }
    }

    /// None if they are wrong.
    pub(super) fn get(&self) -> Option<&Prepared> {
        let make = || {
            // Who compiles them may be one of the threads that the walk waits for: it must not fall.
            let prepared = catch_unwind(AssertUnwindSafe(|| Prepared::new(self.settings)));
            let fault = || ScanError::Unreadable(io::Error::other("a fault in cryoscan's rules"));
            let prepared = prepared.unwrap_or_else(|_| Err(fault()));
            prepared.map_err(|error| *self.lock() = Some(error)).ok()
        };
        self.ready.or_else(|| self.made.get_or_init(make).as_ref())
    }

    /// What is wrong with them.
    pub(super) fn error(&self) -> Option<ScanError> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<ScanError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of fingerprints that every copy of the program has.
const BUILTIN_KEY: &str = "cryoscan 2026 fingerprint v1";

/// Key and name of the key of fingerprints.
pub(super) fn fingerprint_key(settings: &Settings) -> ([u8; 32], String) {
    match &settings.fingerprint_key {
        None => (blake3::derive_key(BUILTIN_KEY, b""), "builtin".to_owned()),
        Some(secret) => {
            let key = blake3::derive_key(BUILTIN_KEY, secret.expose());
            let name = blake3::hash(&key).to_hex();
            (key, name.get(..8).unwrap_or_default().to_owned())
        }
    }
}

fn engine(settings: &Settings) -> Result<(Engine, String), ScanError> {
    let mut rules = match &settings.rules {
        Some(chosen) => chosen.set.clone(),
        None => RuleSet::builtin()?,
    };
    for pattern in &settings.grep {
        rules.add_grep(pattern)?;
    }
    if let Some(lists) = &settings.indicators {
        rules.add_indicators(Arc::clone(&lists.indicators));
    }
    let (key, key_name) = fingerprint_key(settings);
    let kernel = settings.kernel.unwrap_or_else(Kernel::best);
    Ok((Engine::on(kernel, rules, key), key_name))
}
