//! Rule files: the TOML dialect of `docs/rules.md`.

use cryoscan_rules::facts::{self, Facts, Follows, Written};
use serde::Deserialize;

use super::MAX_MATCH;
use super::model::{
    Anchor, Class, Edge, Encodings, Keyword, Keywords, Near, Places, Report, Rule, RuleSet, View,
};
use super::pattern::{self, Pattern};
use crate::check::{self, Confidence, Notation, Severity};
use crate::region::RegionKind;

/// What is wrong with a rule file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFileError {
    /// It is no TOML of this dialect; the message names line and column.
    #[error("{file}: {message}")]
    Syntax {
        /// Name of the rule file.
        file: String,
        /// What the parser says.
        message: String,
    },
    /// A rule cannot be used as it is written.
    #[error("{file}: rule {rule}: {problem}")]
    Rule {
        /// Name of the rule file, or the option a pattern came from.
        file: String,
        /// Id of the rule.
        rule: String,
        /// What is wrong.
        problem: String,
    },
}

/// A value made by a template that the rule must find, or must not.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The template: text with `{class:length}` parts.
    pub r#gen: String,
    /// What the rule should report; the whole of `gen` without it.
    pub value: Option<String>,
    /// Path of the file the text stands in, for rules that ask for one.
    pub path: Option<String>,
    /// Whether `gen` is no template but the text itself, as in the rule files of other scanners.
    #[serde(skip)]
    pub is_text: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Vec<Entry>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    id: String,
    name: String,
    description: String,
    regex: String,
    family: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    class: ClassKey,
    r#type: Option<String>,
    #[serde(default, rename = "secretGroup")]
    secret_group: usize,
    items: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    before: Option<usize>,
    severity: Severity,
    confidence: Confidence,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    view: ViewKey,
    #[serde(default)]
    anchor: AnchorKey,
    #[serde(rename = "where")]
    places: Option<Vec<Where>>,
    path: Option<String>,
    encodings: Option<Vec<Encoding>>,
    max_len: Option<usize>,
    #[serde(default)]
    edge: EdgeKey,
    #[serde(default)]
    report: ReportKey,
    #[serde(default)]
    guessable: bool,
    #[serde(default)]
    generic: bool,
    near: Option<NearEntry>,
    #[serde(default)]
    prefix: String,
    remediation: String,
    #[serde(default)]
    references: Vec<String>,
    cwe: Vec<String>,
    attack: Vec<String>,
    pub(super) examples: Vec<Example>,
    #[serde(default)]
    pub(super) counterexamples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NearEntry {
    rule: String,
    within: u64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ClassKey {
    #[default]
    Secret,
    Indicator,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ViewKey {
    #[default]
    Text,
    Bytes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AnchorKey {
    #[default]
    Literal,
    Run,
    Word,
    Assignment,
    Number,
    Words,
    Label,
    Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Where {
    Memory,
    Argv,
    Environ,
    File,
    Metadata,
    Kernel,
}

/// A word of `encodings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Encoding {
    #[serde(rename = "ascii")]
    Ascii,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    #[serde(rename = "utf-32le")]
    Utf32Le,
    #[serde(rename = "base64")]
    Base64,
    #[serde(rename = "base64url")]
    Base64Url,
    #[serde(rename = "hex")]
    Hex,
    #[serde(rename = "percent")]
    Percent,
    #[serde(rename = "json")]
    Json,
    #[serde(rename = "gzip")]
    Gzip,
    #[serde(rename = "zlib")]
    Zlib,
}

impl Encoding {
    /// What must be undone; nothing for text that lies plainly.
    fn notation(self) -> Option<Notation> {
        Some(match self {
            Self::Ascii => return None,
            Self::Utf16Le => Notation::Utf16Le,
            Self::Utf16Be => Notation::Utf16Be,
            Self::Utf32Le => Notation::Utf32Le,
            Self::Base64 => Notation::Base64,
            Self::Base64Url => Notation::Base64Url,
            Self::Hex => Notation::Hex,
            Self::Percent => Notation::Percent,
            Self::Json => Notation::Escaped,
            Self::Gzip => Notation::Gzip,
            Self::Zlib => Notation::Zlib,
        })
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EdgeKey {
    Checked,
    #[default]
    Soft,
    Hard,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReportKey {
    #[default]
    Always,
    Proven,
}

/// The kinds of region behind a word of `where`.
fn kinds(place: Where) -> &'static [RegionKind] {
    use RegionKind as Kind;
    match place {
        Where::Memory => &[
            Kind::Memory,
            Kind::SharedMemory,
            Kind::Memfd,
            Kind::SysvShm,
            Kind::RawImage,
            Kind::Registers,
        ],
        Where::Argv => &[Kind::Argv],
        Where::Environ => &[Kind::Environ],
        Where::File => &[Kind::File, Kind::VolumeFile, Kind::TmpfsFile, Kind::GhostFile, Kind::Log],
        Where::Metadata => &[Kind::Metadata],
        Where::Kernel => &[
            Kind::Pipe,
            Kind::Fifo,
            Kind::SocketQueue,
            Kind::TcpQueue,
            Kind::SysvMessage,
            Kind::Tty,
            Kind::BpfMap,
        ],
    }
}

impl Places {
    /// The words of `where` in rule files.
    pub fn words(self) -> Vec<&'static str> {
        let words = [
            ("memory", Where::Memory),
            ("argv", Where::Argv),
            ("environ", Where::Environ),
            ("file", Where::File),
            ("metadata", Where::Metadata),
            ("kernel", Where::Kernel),
        ];
        let here = |place| kinds(place).iter().all(|kind| self.holds(*kind));
        words.into_iter().filter(|(_, place)| here(*place)).map(|(word, _)| word).collect()
    }
}

/// The file a rule stands in, what is written there, and what its patterns say if that is known.
type Named<'a> = (&'a str, Entry, Option<Facts>);

/// Whether each of some rules, which come by id and with their files, is the only one with its id, and partners are
/// there.
fn check_ids(rules: &[(&str, Rule)]) -> Result<(), RuleFileError> {
    for two in rules.windows(2) {
        if let [(other, first), (file, rule)] = two
            && first.id == rule.id
        {
            let problem = format!("the id is taken by a rule of {other}: choose another");
            return Err(fault(file, &rule.id, problem));
        }
    }
    for (file, rule) in rules {
        if let Some(near) = &rule.near
            && rules.binary_search_by(|(_, other)| other.id.cmp(&near.rule)).is_err()
        {
            let problem = format!("near: no rule has the id {}", near.rule);
            return Err(fault(file, &rule.id, problem));
        }
    }
    Ok(())
}

/// Examples and counterexamples of one rule, for the tests that prove rules.
pub type RuleExamples = (String, Vec<Example>, Vec<Example>);

impl RuleSet {
    /// The rules that come with the program. Their patterns are compiled when first needed: to compile
    /// all of them takes longer than to scan a small checkpoint, which needs few.
    ///
    /// # Errors
    /// When a built-in file is wrong, which a test rules out.
    pub fn builtin() -> Result<Self, RuleFileError> {
        let entries = cryoscan_rules::SECRETS_JSON.lines().map(|line| {
            serde_json::from_str(line).map_err(|error| RuleFileError::Syntax {
                file: "the built-in rules".to_owned(),
                message: error.to_string(),
            })
        });
        let texts = cryoscan_rules::SECRETS.iter().map(|(_, text)| *text);
        Self::read(entries, texts, |_| Ok(()))
    }

    /// Rules from texts of the TOML dialect, each with the name of its file.
    ///
    /// # Errors
    /// At the first rule that cannot be used: what is wrong, and where.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, RuleFileError> {
        let mut entries = Vec::new();
        for (name, text) in files {
            let rules = parse(name, text)?.rules;
            entries.extend(rules.into_iter().map(|entry| Ok((*name, entry, None))));
        }
        let texts = files.iter().map(|(_, text)| *text);
        Self::read(entries.into_iter(), texts, Rule::compile)
    }

    fn read<'a>(
        entries: impl Iterator<Item = Result<Named<'a>, RuleFileError>>,
        texts: impl Iterator<Item = &'a str>,
        is_usable: fn(&Rule) -> Result<(), String>,
    ) -> Result<Self, RuleFileError> {
        let mut hasher = blake3::Hasher::new();
        for text in texts {
            hasher.update(text.as_bytes());
        }
        let mut rules = Vec::new();
        for entry in entries {
            let (file, entry, facts) = entry?;
            let family = file.strip_suffix(".toml").unwrap_or(file);
            let rule = rule(file, family, entry, facts)?;
            is_usable(&rule).map_err(|problem| fault(file, &rule.id, problem))?;
            rules.push((file, rule));
        }
        rules.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        check_ids(&rules)?;
        Ok(Self {
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
            hash: format!("blake3:{}", hasher.finalize().to_hex()),
            indicators: None,
        })
    }

    /// The examples of every rule of the given files, by rule id.
    ///
    /// # Errors
    /// When a file is no TOML of this dialect.
    pub fn examples(files: &[(&str, &str)]) -> Result<Vec<RuleExamples>, RuleFileError> {
        let mut all = Vec::new();
        for (name, text) in files {
            for entry in parse(name, text)?.rules {
                all.push((entry.id, entry.examples, entry.counterexamples));
            }
        }
        Ok(all)
    }

    /// Adds a pattern of the user's own: `grep:` and eight digits of its hash.
    ///
    /// # Errors
    /// When the pattern does not compile.
    pub fn add_grep(&mut self, pattern: &str) -> Result<(), RuleFileError> {
        let hash = blake3::hash(pattern.as_bytes()).to_hex();
        let id = format!("grep:{}", hash.get(..8).unwrap_or_default());
        if self.rules.iter().any(|rule| rule.id == id) {
            return Ok(());
        }
        let hir = facts::parse(pattern).map_err(|error| fault("--grep", &id, error.to_string()))?;
        pattern::build(pattern).map_err(|error| fault("--grep", &id, error.to_string()))?;
        if hir.properties().minimum_len().is_none_or(|len| len == 0) {
            return Err(fault("--grep", &id, "the pattern matches nothing at all, everywhere"));
        }
        let literals = facts::prefixes(&hir);
        let followers = facts::followers(&hir, literals.as_deref().unwrap_or_default(), true);
        self.rules.push(Rule {
            id,
            name: "Pattern of the user".to_owned(),
            description: "Text that matches a pattern given by --grep.".to_owned(),
            family: "grep".to_owned(),
            tags: Vec::new(),
            class: Class::Grep,
            indicator: String::new(),
            severity: Severity::Info,
            confidence: Confidence::High,
            pattern: Pattern::new(pattern.to_owned()),
            group: 0,
            any_group: false,
            name_group: None,
            items: None,
            view: View::Text,
            anchor: if literals.is_some() { Anchor::Prefix } else { Anchor::Text },
            literals: literals.unwrap_or_default(),
            followers,
            before: 0,
            max_len: GREP_MATCH,
            fixed_len: true,
            checks: Vec::new(),
            encodings: Encodings::ALL,
            places: Places::ALL,
            path: None,
            edge: Edge::Checked,
            report: Report::Always,
            guessable: true,
            terms: None,
            generic: false,
            near: None,
            prefix: String::new(),
            remediation: String::new(),
            references: Vec::new(),
            cwe: Vec::new(),
            attack: Vec::new(),
        });
        Ok(())
    }
}

/// Longest match of a pattern given by `--grep`, in characters.
const GREP_MATCH: usize = 4 << 10;

fn parse(name: &str, text: &str) -> Result<File, RuleFileError> {
    toml::from_str(text).map_err(|error| RuleFileError::Syntax {
        file: name.to_owned(),
        message: error.to_string(),
    })
}

fn fault(file: &str, rule: &str, problem: impl Into<String>) -> RuleFileError {
    RuleFileError::Rule { file: file.to_owned(), rule: rule.to_owned(), problem: problem.into() }
}

/// The same rule with its patterns compiled.
pub(super) fn compiled(file: &str, rule: Rule) -> Result<Rule, RuleFileError> {
    rule.compile().map_err(|problem| fault(file, &rule.id, problem))?;
    Ok(rule)
}

/// What the patterns of a rule say.
fn facts_of(entry: &Entry) -> Result<Facts, String> {
    let written = Written {
        regex: &entry.regex,
        items: entry.items.as_deref(),
        path: entry.path.as_deref(),
        keywords: entry.keywords.iter().map(String::as_str).collect(),
        is_hex: entry.view == ViewKey::Bytes,
        before: entry.before,
        has_literals: entry.anchor == AnchorKey::Literal,
    };
    Facts::of(&written).map_err(|fault| match fault.key {
        "regex" => fault.error.to_string(),
        key => format!("{key}: {}", fault.error),
    })
}

/// A rule that can be run. What its patterns say is found out if it is not known.
pub(super) fn rule(
    file: &str,
    family: &str,
    entry: Entry,
    known: Option<Facts>,
) -> Result<Rule, RuleFileError> {
    let id = entry.id.clone();
    let wrong = |problem: String| fault(file, &id, problem);
    let facts = known.map_or_else(|| facts_of(&entry).map_err(wrong), Ok)?;
    let most = facts.groups;
    if entry.secret_group > most {
        let asked = entry.secret_group;
        return Err(wrong(format!("secretGroup {asked}: the pattern has {most} groups")));
    }
    let (shortest, longest, name_group) = (facts.shortest, facts.longest, facts.name_group);
    let max_len = match (entry.max_len, longest) {
        (Some(len), Some(longest)) => len.min(longest),
        (Some(len), None) | (None, Some(len)) => len,
        (None, None) => {
            return Err(wrong("the pattern has no longest match: give max_len".to_owned()));
        }
    };
    if max_len > MAX_MATCH {
        return Err(wrong(format!(
            "matches up to {max_len} characters, {MAX_MATCH} at most: bound its repetitions or give \
             max_len"
        )));
    }
    let (class, indicator) = match (entry.class, entry.r#type.clone()) {
        (ClassKey::Secret, None) => (Class::Secret, String::new()),
        (ClassKey::Indicator, Some(kind)) => (Class::Indicator, kind),
        (ClassKey::Secret, Some(_)) => {
            return Err(wrong("type: only a rule of the class indicator has one".to_owned()));
        }
        (ClassKey::Indicator, None) => {
            return Err(wrong("class indicator asks for the key type".to_owned()));
        }
    };
    let view = match entry.view {
        ViewKey::Text => View::Text,
        ViewKey::Bytes => View::Bytes,
    };
    if entry.prefix.len() > 6 {
        return Err(wrong("prefix: 6 characters at most may be shown".to_owned()));
    }
    if entry.near.as_ref().is_some_and(|near| near.within > 1024) {
        return Err(wrong("near: within may be 1024 bytes at most".to_owned()));
    }
    let Anchored { anchor, literals, followers, before } =
        anchor(&entry, facts, max_len).map_err(wrong)?;
    if anchor == Anchor::Prefix && entry.secret_group == 0 {
        let prefix = entry.prefix.as_bytes();
        if let Some(other) = literals.iter().find(|literal| !literal.starts_with(prefix)) {
            return Err(wrong(format!(
                "prefix {}: a match may begin with {}",
                entry.prefix,
                other.escape_ascii()
            )));
        }
    }
    let path = entry.path.map(Pattern::new);
    if anchor == Anchor::Path && path.is_none() {
        return Err(wrong("anchor path asks for the key path".to_owned()));
    }
    let mut checks = Vec::new();
    for name in &entry.checks {
        let known = || check::CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
        let found = check::check(name);
        checks.push(found.ok_or_else(|| wrong(format!("no check {name}; there are {}", known())))?);
    }
    let places = entry.places.map_or(Places::ALL, |words| {
        let kinds = words.into_iter().flat_map(kinds);
        kinds.fold(Places::NONE, |places, &kind| places.with(kind))
    });
    let encodings = entry.encodings.map_or(Encodings::ALL, |list| {
        let notations = list.into_iter().filter_map(Encoding::notation);
        notations.fold(Encodings::NONE, Encodings::with)
    });
    Ok(Rule {
        id: entry.id,
        name: entry.name,
        description: entry.description,
        family: entry.family.unwrap_or_else(|| family.to_owned()),
        tags: entry.tags,
        class,
        indicator,
        severity: entry.severity,
        confidence: entry.confidence,
        fixed_len: shortest.is_some() && shortest == longest,
        pattern: Pattern::new(if matches!(anchor, Anchor::Assignment(_)) {
            format!(r"\A(?:{})\z", entry.regex)
        } else {
            entry.regex
        }),
        group: entry.secret_group,
        any_group: false,
        name_group,
        items: entry.items.map(Pattern::new),
        view,
        anchor,
        literals,
        followers,
        before,
        max_len,
        checks,
        encodings,
        places,
        path,
        edge: match entry.edge {
            EdgeKey::Checked => Edge::Checked,
            EdgeKey::Soft => Edge::Soft,
            EdgeKey::Hard => Edge::Hard,
        },
        report: match entry.report {
            ReportKey::Always => Report::Always,
            ReportKey::Proven => Report::Proven,
        },
        guessable: entry.guessable,
        terms: None,
        generic: entry.generic,
        near: entry.near.map(|near| Near { rule: near.rule, within: near.within }),
        prefix: entry.prefix,
        remediation: entry.remediation,
        references: entry.references,
        cwe: entry.cwe,
        attack: entry.attack,
    })
}

/// How candidates of a rule arise, with their literals.
struct Anchored {
    anchor: Anchor,
    literals: Vec<Vec<u8>>,
    followers: Vec<Follows>,
    before: usize,
}

impl Anchored {
    fn new(anchor: Anchor, literals: Vec<Vec<u8>>) -> Self {
        Self { anchor, literals, followers: Vec::new(), before: 0 }
    }

    /// Without literals.
    fn without(anchor: Anchor) -> Self {
        Self::new(anchor, Vec::new())
    }
}

fn anchor(entry: &Entry, facts: Facts, max_len: usize) -> Result<Anchored, String> {
    let Facts { literals, followers, run, .. } = facts;
    let before = entry.before.unwrap_or(max_len).min(max_len);
    if entry.view == ViewKey::Bytes && entry.anchor == AnchorKey::Number {
        return Ok(Anchored::without(Anchor::Number));
    }
    if entry.view == ViewKey::Bytes && entry.anchor == AnchorKey::Path {
        return Ok(Anchored::without(Anchor::Path));
    }
    if entry.view == ViewKey::Bytes {
        if entry.anchor != AnchorKey::Literal || entry.keywords.is_empty() {
            return Err(
                "view bytes asks for keywords and the anchor literal, or for the anchor path"
                    .to_owned(),
            );
        }
        let literals = literals.ok_or("view bytes: keywords are lower-case hex digits")?;
        if literals.iter().any(|word| word.len() < 3) {
            return Err("a keyword is shorter than 3 bytes".to_owned());
        }
        return Ok(Anchored { anchor: Anchor::Inside, literals, followers, before });
    }
    match entry.anchor {
        AnchorKey::Number => Err("the anchor number asks for view bytes".to_owned()),
        AnchorKey::Words => Ok(Anchored::without(Anchor::Words)),
        AnchorKey::Assignment => {
            if entry.keywords.is_empty() || entry.items.is_some() {
                return Err("the anchor assignment asks for keywords, and for no items".to_owned());
            }
            let mut words = Vec::new();
            for word in &entry.keywords {
                let problem = || {
                    format!(
                        "keyword {word:?}: expected 64 characters at most, no control character, and a part of 3 or more"
                    )
                };
                words.push(Keyword::new(word).ok_or_else(problem)?);
            }
            let mut literals: Vec<_> = words.iter().map(|it| it.literal().to_vec()).collect();
            literals.sort();
            literals.dedup();
            Ok(Anchored::new(Anchor::Assignment(Keywords::new(words)), literals))
        }
        AnchorKey::Label => Ok(Anchored::without(Anchor::Label)),
        AnchorKey::Path => Ok(Anchored::without(Anchor::Path)),
        AnchorKey::Run | AnchorKey::Word => {
            let (bytes, len) = run.ok_or_else(|| {
                "anchors run and word ask for one class, repeated exactly 16 times or more"
                    .to_owned()
            })?;
            let word = entry.anchor == AnchorKey::Word;
            Ok(Anchored::without(Anchor::Run { class: table(&bytes), len, word }))
        }
        AnchorKey::Literal if entry.keywords.is_empty() => {
            let literals = literals.ok_or_else(|| {
                "matches begin with no literal of 3 bytes or more: give keywords".to_owned()
            })?;
            Ok(Anchored { anchor: Anchor::Prefix, literals, followers, before: 0 })
        }
        AnchorKey::Literal => {
            if let Some(short) = entry.keywords.iter().find(|word| word.len() < 3) {
                return Err(format!("keyword {short:?} is shorter than 3 bytes"));
            }
            let literals = literals.unwrap_or_default();
            Ok(Anchored { anchor: Anchor::Inside, literals, followers, before })
        }
    }
}

/// Those bytes, by byte.
pub(super) fn table(ranges: &[(u8, u8)]) -> Box<[bool; 256]> {
    let mut table = Box::new([false; 256]);
    for byte in ranges.iter().flat_map(|(first, last)| *first..=*last) {
        table[usize::from(byte)] = true;
    }
    table
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
