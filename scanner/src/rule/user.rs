//! The user's own rule files: in our dialect, or in that of another scanner, told by their content.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cryoscan_rules::facts;
use serde::Deserialize as _;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::fault::{Cost, Fault, Place};
use super::file::{self, Entry, RuleExamples, RuleFileError};
use super::import::{self, Foreign, Pack, Text, gitleaks, kingfisher};
use super::model::{Near, Rule, RuleSet};
use super::node::{self, Node, Pair, Value};
use super::terms::Terms;
use crate::archive::name;

/// Bytes of one rule file.
const FILE_BYTES: u64 = 8 << 20;
/// Rule files of a run.
const FILES: usize = 10_000;
/// Folders inside folders.
const FOLDERS: usize = 16;
/// Files that build on each other: as many as gitleaks takes.
const EXTENDS: usize = 2;

/// Keys that a rule of our dialect has and one of gitleaks has not.
const OUR_KEYS: [&str; 7] =
    ["name", "severity", "remediation", "cwe", "attack", "checks", "anchor"];

/// A rule file, read.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// As the user named it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where it lies, for what it builds on.
    pub folder: Option<PathBuf>,
}

/// Why the rule files of the user cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleFilesError {
    /// A file or folder that cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A folder without rule files.
    #[error("{0}: there is no rule file in this folder (.toml, .yml, .yaml)")]
    Empty(String),
    /// More than is read.
    #[error("{path}: more than {most} {what}")]
    TooMuch {
        /// The path.
        path: String,
        /// The bound.
        most: u64,
        /// Of what.
        what: &'static str,
    },
}

/// The program's own rules and those of the user.
#[derive(Debug, Default)]
pub struct UserRules {
    /// All of them; rules that cannot be used are left out.
    pub set: RuleSet,
    /// What there is to say of the files, in their order.
    pub faults: Vec<Fault>,
    /// Examples of the user's rules.
    pub examples: Vec<RuleExamples>,
    /// The user's rules: their ids, with file and line.
    pub places: BTreeMap<String, (String, usize)>,
    /// The names of the files.
    pub files: Vec<String>,
}

impl RuleFile {
    /// Reads files, and of folders every `.toml`, `.yml` and `.yaml` below them, by name.
    ///
    /// # Errors
    /// When one cannot be read, is too large, or a folder holds none.
    pub fn read(paths: &[PathBuf]) -> Result<Vec<Self>, RuleFilesError> {
        let mut files = Vec::new();
        for path in paths {
            let unreadable = |error| RuleFilesError::Unreadable { path: display(path), error };
            if !fs::metadata(path).map_err(unreadable)?.is_dir() {
                files.push(Self::open(path)?);
                continue;
            }
            let mut inside = Vec::new();
            list(path, FOLDERS, &mut inside)?;
            inside.sort();
            if inside.is_empty() {
                return Err(RuleFilesError::Empty(display(path)));
            }
            for path in inside {
                files.push(Self::open(&path)?);
            }
        }
        Ok(files)
    }

    fn open(path: &Path) -> Result<Self, RuleFilesError> {
        let unreadable = |error| RuleFilesError::Unreadable { path: display(path), error };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        #[expect(clippy::disallowed_methods, reason = "bounded by take")]
        file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_BYTES {
            let path = display(path);
            return Err(RuleFilesError::TooMuch { path, most: FILE_BYTES, what: "bytes" });
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Self { name: display(path), text, folder: path.parent().map(Path::to_owned) })
    }

    /// The family of its rules: its name without ending.
    fn family(&self) -> String {
        let stem = Path::new(&self.name).file_stem().map(OsStr::to_string_lossy);
        let stem = stem.unwrap_or_default();
        import::id(stem.trim_start_matches('.'))
    }
}

fn display(path: &Path) -> String {
    name::display(path.as_os_str().as_encoded_bytes())
}

/// Every rule file below a folder; symbolic links to folders are not followed.
fn list(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) -> Result<(), RuleFilesError> {
    let too_much = |most: usize, what| {
        let path = display(folder);
        RuleFilesError::TooMuch { path, most: most as u64, what }
    };
    let deep = deep.checked_sub(1).ok_or_else(|| too_much(FOLDERS, "folders inside folders"))?;
    let unreadable = |error| RuleFilesError::Unreadable { path: display(folder), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let ending = path.extension().map(OsStr::to_ascii_lowercase);
        let is_rules = ending.is_some_and(|it| it == "toml" || it == "yml" || it == "yaml");
        if entry.file_type().map_err(unreadable)?.is_dir() {
            list(&path, deep, files)?;
        } else if is_rules {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(too_much(FILES, "rule files"));
        }
    }
    Ok(())
}

impl UserRules {
    /// The rules of `base` and those of the files. What is wrong with a file is among
    /// [`Self::faults`]; the rules that can be used are there all the same.
    pub fn load(base: RuleSet, files: &[RuleFile]) -> Self {
        let mut all = Self { set: base, ..Self::default() };
        let mut hasher = blake3::Hasher::new();
        hasher.update(all.set.hash.as_bytes());
        for file in files {
            hasher.update(&(file.text.len() as u64).to_le_bytes());
            hasher.update(file.text.as_bytes());
            all.files.push(file.name.clone());
            all.file(file);
        }
        all.set.rules.sort_by(|a, b| a.id.cmp(&b.id));
        all.partners(files);
        if !files.is_empty() {
            all.set.hash = format!("blake3:{}", hasher.finalize().to_hex());
        }
        all
    }

    /// Whether a file holds something that cannot be used as it is written.
    pub fn is_wrong(&self) -> bool {
        self.faults.iter().any(|fault| fault.cost == Cost::Wrong)
    }

    fn file(&mut self, file: &RuleFile) {
        let place = Place { file: &file.name, text: &file.text };
        match read(file) {
            Err((at, problem)) => {
                self.faults.push(place.fault(Cost::Wrong, at.start, ("", ""), problem));
            }
            Ok(Dialect::Ours(root)) => self.ours(file, &root),
            Ok(Dialect::Gitleaks(root)) => {
                let mut origins = vec![file.clone()];
                let pack = self.gitleaks(file, &root, &mut origins, EXTENDS);
                self.pack(&file.family(), &pack, &origins);
            }
            Ok(Dialect::Yaml(root)) => {
                let pack = kingfisher::read(place, &root, &mut self.faults);
                self.pack(&file.family(), &pack, std::slice::from_ref(file));
            }
        }
    }

    /// Rules of our own dialect, one by one, so that one that is wrong costs no other.
    fn ours(&mut self, file: &RuleFile, root: &Node) {
        let place = Place { file: &file.name, text: &file.text };
        let Value::Table(pairs) = &root.value else { return };
        for pair in pairs.iter().filter(|pair| pair.key != "rules") {
            let problem = "a rule file holds [[rules]] and nothing else";
            self.faults.push(place.fault(Cost::Wrong, pair.at.start, ("", &pair.key), problem));
        }
        let Ok(parsed) = DeTable::parse(&file.text) else { return };
        let Some(rules) = parsed.get_ref().get("rules") else { return };
        let DeValue::Array(rules) = rules.get_ref() else {
            let problem = "expected a list of tables, [[rules]]";
            self.faults.push(place.fault(Cost::Wrong, rules.span().start, ("", "rules"), problem));
            return;
        };
        let nodes = pairs.iter().find(|pair| pair.key == "rules").map(|pair| &pair.node.value);
        let Some(Value::List(nodes)) = nodes else { return };
        for (value, node) in rules.iter().zip(nodes) {
            let Value::Table(keys) = &node.value else { continue };
            let id = string(keys, "id").map_or_else(String::new, |text| text.text);
            let entry = match Entry::deserialize(ValueDeserializer::from(value.clone())) {
                Ok(entry) => entry,
                Err(error) => {
                    let at = error.span().unwrap_or_else(|| node.at.clone());
                    let fault = place.fault(Cost::Wrong, at.start, (&id, ""), error.message());
                    self.faults.push(fault);
                    continue;
                }
            };
            let patterns = ["regex", "items", "path"].into_iter().find_map(|key| {
                let text = string(keys, key)?;
                let error = facts::parse(&text.text).err()?;
                let (offset, problem) = super::fault::of_pattern(&error);
                let at = place.inside(&text.at, &text.text, offset);
                Some(place.fault(Cost::Wrong, at, (&id, key), problem))
            });
            if let Some(fault) = patterns {
                self.faults.push(fault);
                continue;
            }
            let examples = (id.clone(), entry.examples.clone(), entry.counterexamples.clone());
            let rule = file::rule(&file.name, &file.family(), entry, None)
                .and_then(|rule| file::compiled(&file.name, rule));
            match rule {
                Ok(rule) => {
                    let at = string(keys, "id").map_or(node.at.start, |text| text.at.start);
                    advise(&rule, keys, &examples, place, &mut self.faults);
                    self.add(rule, place, at, examples);
                }
                Err(RuleFileError::Rule { problem, .. }) => {
                    let key = key_of(&problem, keys);
                    let at = keys.iter().find(|pair| pair.key == key);
                    let at = at.map_or(node.at.start, |pair| pair.node.at.start);
                    let problem = problem.strip_prefix(&format!("{key}: ")).unwrap_or(&problem);
                    self.faults.push(place.fault(Cost::Wrong, at, (&id, &key), problem));
                }
                Err(error) => {
                    let at = node.at.start;
                    self.faults.push(place.fault(Cost::Wrong, at, (&id, ""), error.to_string()));
                }
            }
        }
    }

    /// Adds a rule, unless its id is taken.
    fn add(&mut self, rule: Rule, place: Place<'_>, at: usize, examples: RuleExamples) {
        if self.set.rules.iter().any(|other| other.id == rule.id) {
            let (other, _) = self.places.get(&rule.id).cloned().unwrap_or_default();
            let other = if other.is_empty() { "cryoscan itself".to_owned() } else { other };
            let problem = format!("the id is taken by a rule of {other}: choose another");
            self.faults.push(place.fault(Cost::Wrong, at, (&rule.id, "id"), problem));
            return;
        }
        let line = place.fault(Cost::Advice, at, ("", ""), "").line;
        self.places.insert(rule.id.clone(), (place.file.to_owned(), line));
        self.examples.push(examples);
        self.set.rules.push(rule);
    }

    /// A file of gitleaks, with what it builds on. `origins` are the files read for it.
    fn gitleaks(
        &mut self,
        file: &RuleFile,
        root: &Node,
        origins: &mut Vec<RuleFile>,
        deep: usize,
    ) -> Pack {
        let place = Place { file: &file.name, text: &file.text };
        let (mut pack, extends) = gitleaks::read(place, root, &mut self.faults);
        let own = origins.len().saturating_sub(1);
        for rule in &mut pack.rules {
            rule.origin = own;
        }
        if let Some(path) = extends.path {
            match self.base(file, &path, origins, deep) {
                Ok(base) => gitleaks::extend(&mut pack, base),
                Err(problem) => {
                    let about = ("", "extend.path");
                    self.faults.push(place.fault(Cost::Wrong, path.at.start, about, problem));
                }
            }
        }
        pack
    }

    /// What a file of gitleaks builds on; the path is seen from the file's own folder.
    fn base(
        &mut self,
        file: &RuleFile,
        path: &Text,
        origins: &mut Vec<RuleFile>,
        deep: usize,
    ) -> Result<Pack, String> {
        let deep =
            deep.checked_sub(1).ok_or("more files that build on each other than are read")?;
        let folder = file.folder.as_ref().ok_or("it is not known where this file lies")?;
        let base = RuleFile::open(&folder.join(&path.text)).map_err(|error| error.to_string())?;
        match read(&base) {
            Ok(Dialect::Gitleaks(root)) => {
                origins.push(base.clone());
                Ok(self.gitleaks(&base, &root, origins, deep))
            }
            Ok(_) => Err(format!("{} is no file of gitleaks", base.name)),
            Err((_, problem)) => Err(format!("{}: {problem}", base.name)),
        }
    }

    /// Adds the rules of another scanner.
    fn pack(&mut self, family: &str, pack: &Pack, origins: &[RuleFile]) {
        let Some(first) = origins.first() else { return };
        let place_of = |rule: &Foreign| {
            let file = origins.get(rule.origin).unwrap_or(first);
            Place { file: &file.name, text: &file.text }
        };
        let place = Place { file: &first.name, text: &first.text };
        let own: BTreeSet<String> = pack.rules.iter().map(|rule| rule.id.clone()).collect();
        if pack.extends_builtin {
            self.builtin(pack, &own, place);
        }
        if pack.rules.is_empty() && !pack.extends_builtin {
            self.faults.push(place.fault(
                Cost::Wrong,
                0,
                ("", "rules"),
                "there are no rules in it",
            ));
        }
        let taken: BTreeSet<String> = self.set.rules.iter().map(|rule| rule.id.clone()).collect();
        let renamed = |id: &str| {
            if taken.contains(id) { format!("{family}-{id}") } else { id.to_owned() }
        };
        for foreign in pack.rules.iter().filter(|rule| !rule.adds_to || !pack.extends_builtin) {
            let place = place_of(foreign);
            if foreign.adds_to {
                let problem = "it has no pattern and changes a rule that this file does not build on: it \
                               does not run";
                let about = (foreign.id.as_str(), "");
                self.faults.push(place.fault(Cost::LeftOut, foreign.at, about, problem));
                continue;
            }
            match import::rule(foreign, family, place, &mut self.faults) {
                Err(fault) => self.faults.push(*fault),
                Ok(mut rule) => {
                    rule.id = renamed(&foreign.id);
                    if rule.id != foreign.id {
                        let problem = format!("another rule has this id: it runs as {}", rule.id);
                        let about = (foreign.id.as_str(), "id");
                        self.faults.push(place.fault(Cost::Ignored, foreign.at, about, problem));
                    }
                    rule.near = rule.near.filter(|near| {
                        own.contains(&import::id(&near.rule)) || taken.contains(&near.rule)
                    });
                    rule.near = rule.near.map(|near| Near {
                        rule: if own.contains(&near.rule) {
                            renamed(&near.rule)
                        } else {
                            near.rule
                        },
                        ..near
                    });
                    if let (Some((partner, _)), None) = (&foreign.near, &rule.near) {
                        let problem = format!("no rule has the id {}: it is ignored", partner.text);
                        let about = (foreign.id.as_str(), "required");
                        let at = partner.at.start;
                        self.faults.push(place.fault(Cost::Ignored, at, about, problem));
                    }
                    let examples = (
                        rule.id.clone(),
                        foreign.examples.clone(),
                        foreign.counterexamples.clone(),
                    );
                    self.add(rule, place, foreign.at, examples);
                }
            }
        }
    }

    /// What a file says of the program's own rules, which it builds on.
    fn builtin(&mut self, pack: &Pack, own: &BTreeSet<String>, place: Place<'_>) {
        for disabled in &pack.disabled {
            let before = self.set.rules.len();
            let places = &self.places;
            self.set.rules.retain(|rule| rule.id != disabled.text || places.contains_key(&rule.id));
            if self.set.rules.len() == before && !own.contains(&disabled.text) {
                let problem = format!("no rule has the id {}: it is ignored", disabled.text);
                let about = ("", "extend.disabledRules");
                self.faults.push(place.fault(Cost::Ignored, disabled.at.start, about, problem));
            }
        }
        for rule in self.set.rules.iter_mut().filter(|rule| !self.places.contains_key(&rule.id)) {
            if !pack.allowed.is_empty() {
                let terms = rule.terms.get_or_insert_with(|| Box::new(Terms::default()));
                terms.allowed.extend(pack.allowed.iter().cloned());
            }
        }
        for foreign in pack.rules.iter().filter(|rule| rule.adds_to) {
            let places = &self.places;
            let is_it = |rule: &&mut Rule| rule.id == foreign.id && !places.contains_key(&rule.id);
            if let Some(rule) = self.set.rules.iter_mut().find(is_it) {
                let terms = rule.terms.get_or_insert_with(|| Box::new(Terms::default()));
                terms.allowed.extend(foreign.terms.allowed.iter().cloned());
                terms.entropy = foreign.terms.entropy.or(terms.entropy);
                rule.tags.extend(foreign.tags.iter().cloned());
                continue;
            }
            let problem = "it has no pattern and changes a rule that cryoscan does not have: it does \
                           not run";
            let about = (foreign.id.as_str(), "");
            self.faults.push(place.fault(Cost::LeftOut, foreign.at, about, problem));
        }
    }

    /// A partner that there is not is an error of a rule of our dialect; the rule is left out.
    fn partners(&mut self, files: &[RuleFile]) {
        let ids: BTreeSet<String> = self.set.rules.iter().map(|rule| rule.id.clone()).collect();
        let mut wrong = Vec::new();
        for rule in &self.set.rules {
            let Some(near) = rule.near.as_ref().filter(|near| !ids.contains(&near.rule)) else {
                continue;
            };
            let Some((name, line)) = self.places.get(&rule.id) else { continue };
            let Some(file) = files.iter().find(|file| file.name == *name) else { continue };
            let at = line_start(&file.text, *line);
            let place = Place { file: &file.name, text: &file.text };
            let problem = format!("no rule has the id {}", near.rule);
            wrong.push(place.fault(Cost::Wrong, at, (&rule.id, "near"), problem));
        }
        self.set.rules.retain(|rule| !wrong.iter().any(|fault| fault.rule == rule.id));
        self.faults.extend(wrong);
    }
}

/// What a file is, by its content.
enum Dialect {
    Ours(Node),
    Gitleaks(Node),
    Yaml(Node),
}

fn read(file: &RuleFile) -> Result<Dialect, node::SyntaxError> {
    if is_yaml(&file.text) {
        return node::yaml(&file.text).map(Dialect::Yaml);
    }
    let root = node::toml(&file.text)?;
    let Value::Table(pairs) = &root.value else { return Ok(Dialect::Gitleaks(root)) };
    let rules = pairs.iter().find(|pair| pair.key == "rules").map(|pair| &pair.node.value);
    let is_ours = |node: &Node| {
        let Value::Table(keys) = &node.value else { return false };
        keys.iter().any(|pair| OUR_KEYS.contains(&pair.key.as_str()))
    };
    let is_ours = matches!(rules, Some(Value::List(list)) if list.iter().any(is_ours));
    Ok(if is_ours { Dialect::Ours(root) } else { Dialect::Gitleaks(root) })
}

/// Whether the first line that says something is one of YAML: TOML's have a `=` or brackets.
fn is_yaml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let Some(first) = lines.find(|line| !line.is_empty() && !line.starts_with('#')) else {
        return false;
    };
    let key = first.split_once(':').map(|(key, _)| key);
    let is_word = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "_-\"'".contains(c));
    first.starts_with("---")
        || first.starts_with("- ")
        || first.starts_with('%')
        || key.is_some_and(is_word)
}

/// The string of a key.
fn string(keys: &[Pair], key: &str) -> Option<Text> {
    let pair = keys.iter().find(|pair| pair.key == key)?;
    let Value::Text(text) = &pair.node.value else { return None };
    Some(Text { text: text.clone(), at: pair.node.at.clone() })
}

/// The key that a problem is about: it begins with its name, or is about the pattern.
fn key_of(problem: &str, keys: &[Pair]) -> String {
    let word: String = problem.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let key = match word.as_str() {
        "keyword" => "keywords",
        "no" => "checks",
        "anchors" => "anchor",
        word => word,
    };
    let is_there = keys.iter().any(|pair| pair.key == key);
    if is_there { key.to_owned() } else { "regex".to_owned() }
}

/// What could be better about a rule of our dialect.
fn advise(
    rule: &Rule,
    keys: &[Pair],
    (_, examples, counterexamples): &RuleExamples,
    place: Place<'_>,
    faults: &mut Vec<Fault>,
) {
    let at = |key: &str| {
        let pair = keys.iter().find(|pair| pair.key == key).or(keys.first());
        pair.map_or(0, |pair| pair.at.start)
    };
    let mut say = |key: &str, problem: &str| {
        faults.push(place.fault(Cost::Advice, at(key), (&rule.id, key), problem));
    };
    let has_keywords = keys.iter().any(|pair| pair.key == "keywords");
    let starts = || facts::parse(rule.pattern.source()).ok();
    let starts = starts().and_then(|hir| facts::prefixes(&hir));
    if has_keywords && starts.is_some_and(|all| all.iter().all(|it| it.len() > 3)) {
        say(
            "keywords",
            "of no use: every match begins with a literal, which is cheaper to look for",
        );
    }
    if rule.literals.iter().any(|literal| literal.len() == 3) {
        say("regex", "slow: a literal of three bytes stands everywhere");
    }
    if examples.is_empty() {
        say("examples", "there are none, so nothing shows that it finds");
    }
    if counterexamples.is_empty() {
        say("counterexamples", "there are none, so nothing shows what it leaves alone");
    }
}

impl UserRules {
    /// Rules of the user that say what another rule says: with the same pattern.
    pub fn overlaps(&self, files: &[RuleFile]) -> Vec<Fault> {
        let mut of_pattern: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in &self.set.rules {
            of_pattern.entry(rule.pattern.source()).or_default().push(rule);
        }
        let mut faults = Vec::new();
        for rules in of_pattern.values().filter(|rules| rules.len() > 1) {
            for rule in rules {
                let Some((name, line)) = self.places.get(&rule.id) else { continue };
                let Some(file) = files.iter().find(|file| file.name == *name) else { continue };
                let others = rules.iter().filter(|other| other.id != rule.id);
                let others: Vec<&str> = others.map(|other| other.id.as_str()).collect();
                let problem = format!("the same pattern as {}", others.join(", "));
                let place = Place { file: &file.name, text: &file.text };
                let at = line_start(&file.text, *line);
                faults.push(place.fault(Cost::Advice, at, (&rule.id, "regex"), problem));
            }
        }
        faults
    }
}

/// Where a line starts.
fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}
