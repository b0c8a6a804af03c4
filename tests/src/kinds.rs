//! Every kind of secret that rules should know, as facts: what its values look like and what they stand
//! in. Written from descriptions of the vendors' formats, apart from the examples of the rules, so that
//! a mistake in a rule does not repeat itself here.

mod cloud;
mod cluster;
mod contextual;
mod data;
mod fill;
mod keys;
mod material;
mod services;
mod vcs;

use std::ops::Range;

use crate::random::Random;

/// Only where the name of a variable is exact.
const ENVIRON: Option<Place> = Some(Place::Environ);
/// Only in arguments.
const ARGV: Option<Place> = Some(Place::Argv);
/// Anywhere but in arguments and environment, where other rules take over.
const NOT_STARTED: Option<Place> = Some(Place::NotStarted);

/// Only as numbers that a program works with.
const NUMBERS: Option<Place> = Some(Place::Numbers);
/// Marks around the value in what a part is filled with.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// Where a kind has a meaning, if not everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the environment.
    Environ,
    /// In arguments.
    Argv,
    /// Neither.
    NotStarted,
    /// In memory at addresses of words, as it is.
    Numbers,
}

/// What tells a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Its shape, which also says where it ends.
    Shape,
    /// Its shape, but not where it ends.
    Start,
    /// The name it is assigned to.
    Name(&'static str),
    /// The text that it stands in.
    Text,
    /// Its bytes, which are no text.
    Bytes,
}

impl Told {
    /// The name that a value is assigned to, if this tells it.
    pub fn name(self) -> Option<&'static str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }
}

/// A kind of value.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name, after that of the rule that should find it.
    pub id: &'static str,
    /// 1: everywhere in containers. 2: common. 3: rare.
    pub priority: u8,
    /// What tells it.
    pub told: Told,
    /// Where it has a meaning; anywhere for `None`.
    pub only: Option<Place>,
    template: &'static str,
}

/// A text with the value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// All of it.
    pub text: Vec<u8>,
    /// The value, and then the parts of it that say as much: the password of a URI.
    pub spans: Vec<Range<usize>>,
}

impl Made {
    /// The value.
    pub fn value(&self) -> &[u8] {
        let span = self.spans.first().cloned().unwrap_or_default();
        self.text.get(span).unwrap_or_default()
    }
}

/// The groups of kinds by their letters.
pub const GROUPS: [(&str, &str, &[Kind]); 9] = [
    ("A", "version control and builds", vcs::BUILDS),
    ("B", "clouds", cloud::CLOUDS),
    ("C", "Kubernetes, containers, stores of secrets", cluster::CLUSTERS),
    ("D", "private keys", keys::KEYS),
    ("E", "providers of models", cloud::MODELS),
    ("F", "databases and brokers", data::DATA),
    ("G", "services", services::SERVICES),
    ("H", "package registries", vcs::PACKAGES),
    ("I", "context and formats of many vendors", contextual::CONTEXTUAL),
];

const fn kind(id: &'static str, priority: u8, told: Told, template: &'static str) -> Kind {
    Kind { id, priority, told, only: None, template }
}

/// A value of fixed length, or one that a check ends.
const fn fixed(id: &'static str, priority: u8, template: &'static str) -> Kind {
    kind(id, priority, Told::Shape, template)
}

/// A value of any length: only what follows it can end it.
const fn open(id: &'static str, priority: u8, template: &'static str) -> Kind {
    kind(id, priority, Told::Start, template)
}

/// A value without a shape of its own, and the name it is assigned to.
const fn named(id: &'static str, priority: u8, name: &'static str, template: &'static str) -> Kind {
    kind(id, priority, Told::Name(name), template)
}

/// A text with the value in `«»`, and parts of it in `‹›`.
const fn text(id: &'static str, priority: u8, template: &'static str) -> Kind {
    kind(id, priority, Told::Text, template)
}

/// Bytes, written as the characters of their numbers.
const fn binary(id: &'static str, priority: u8, template: &'static str) -> Kind {
    kind(id, priority, Told::Bytes, template)
}

impl Kind {
    const fn only(mut self, place: Option<Place>) -> Self {
        self.only = place;
        self
    }

    /// A value, the same for the same seed; `None` if nothing here can make it.
    pub fn make(&self, seed: u64) -> Option<Made> {
        let mut random = Random::new(seed);
        let (mut text, mut open, mut spans) = (String::new(), Vec::new(), Vec::new());
        let mut rest = self.template;
        while let Some(next) = rest.chars().next() {
            if let Some((part, behind)) = part(rest) {
                for c in fill::fill(part, &text, &mut random)?.chars() {
                    match c {
                        OPEN => open.push(self.length(&text)),
                        CLOSE => spans.push(open.pop()?..self.length(&text)),
                        other => text.push(other),
                    }
                }
                rest = behind;
                continue;
            }
            match next {
                '«' | '‹' => open.push(self.length(&text)),
                '»' | '›' => {
                    let start = open.pop()?;
                    spans.push(start..self.length(&text));
                }
                other => text.push(other),
            }
            rest = rest.get(next.len_utf8()..)?;
        }
        // The whole is closed after its parts.
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        spans.sort_by_key(|span| std::cmp::Reverse(span.len()));
        let text = if self.told == Told::Bytes {
            text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>()?
        } else {
            text.into_bytes()
        };
        if spans.is_empty() {
            spans.push(0..text.len());
        }
        Some(Made { text, spans })
    }

    fn length(&self, text: &str) -> usize {
        if self.told == Told::Bytes { text.chars().count() } else { text.len() }
    }
}

/// The part in braces that a template goes on with, and what follows.
fn part(template: &str) -> Option<(&str, &str)> {
    let (part, behind) = template.strip_prefix('{')?.split_once('}')?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':');
    (part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.chars().all(word))
        .then_some((part, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_made_and_differs_by_seed() {
        let mut missing = Vec::new();
        for (_, _, kinds) in GROUPS {
            for kind in kinds {
                let Some(made) = kind.make(1) else {
                    missing.push(kind.id);
                    continue;
                };
                assert_eq!(Some(&made), kind.make(1).as_ref(), "{}", kind.id);
                let other = kind.make(2).unwrap();
                assert_ne!(made.value(), other.value(), "{}", kind.id);
                for span in &made.spans {
                    assert!(made.spans[0].start <= span.start && span.end <= made.spans[0].end);
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn marks_name_the_value_and_its_parts() {
        let uri = text("t", 1, "see «db://app:‹{h:8}›@host» now");
        let made = uri.make(1).unwrap();
        assert_eq!(made.spans.len(), 2);
        assert!(made.value().starts_with(b"db://app:") && made.value().ends_with(b"@host"));
        let password = made.text[made.spans[1].clone()].to_vec();
        assert_eq!(password.len(), 8);
        assert!(made.value().windows(8).any(|part| part == password));
    }
}
