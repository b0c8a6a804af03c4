//! Rules ready to run: compiled by yara-x once for files, and once more for memory without those
//! that need a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use yara_x::errors::CompileError;
use yara_x::warnings::Warning;
use yara_x::{Compiler, IgnoredRuleReason, SourceCode};
use yara_x_parser::Parser;
use yara_x_parser::ast::{AST, Rule, RuleFlags, WithSpan};
use yara_x_parser::cst::{Event, SyntaxKind};

use super::condition::{self, Names};
use super::facts::EXTERNALS;
use super::meta;
use super::model::{LoadError, RuleInfo};
use super::source::{self, Source};
use crate::diagnostic::{Code, Diagnostic, Level};
use crate::limits::Limits;
use crate::tally::Partial;

/// Namespace and identifier of a rule.
type Name = (String, String);

/// What was loaded.
pub(super) struct Loaded {
    pub infos: Vec<RuleInfo>,
    pub hash: String,
    pub notes: Vec<Diagnostic>,
    /// Every rule.
    pub files: yara_x::Rules,
    /// Those that can hold on memory, where that is not all of them.
    pub memory: Option<yara_x::Rules>,
    /// Whether a rule asks for the MD5 of files.
    pub hashed: bool,
}

/// Reads and compiles all rules. Those that do not compile are told and left out.
pub(super) fn load(
    paths: &[PathBuf],
    includes: bool,
    limits: &Limits,
) -> Result<Loaded, LoadError> {
    let sources = source::read(paths, includes)?;
    let texts: Vec<Text<'_>> = sources.iter().map(Text::of).collect();
    let modules: BTreeSet<&str> = yara_x::mods::module_names().collect();
    let unknown: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.ast.imports())
        .map(|import| import.module_name)
        .filter(|name| !modules.contains(name))
        .collect();
    let pairs = || sources.iter().map(|source| (source, source.text.as_str()));
    let (files, compiled) = compile(pairs(), &unknown)?;
    let mut infos: Vec<RuleInfo> = Vec::new();
    let mut index: BTreeMap<Name, usize> = BTreeMap::new();
    for rule in files.iter() {
        let name = (rule.namespace().to_owned(), rule.identifier().to_owned());
        index.insert(name, infos.len());
        infos.push(meta::info(&rule));
    }
    let mut notes = Partial::default();
    let refused = refusals(&sources, &texts, &index, &compiled);
    for (argument, path) in paths.iter().enumerate() {
        let of_path = |source: &&Source| source.argument == argument;
        let namespaces: BTreeSet<&str> =
            sources.iter().filter(of_path).map(|source| source.namespace.as_str()).collect();
        if !infos.iter().any(|info| namespaces.contains(info.namespace.as_str())) {
            let of_path = refused.iter().filter(|(of, _)| *of == argument);
            let refused = of_path.map(|(_, note)| format!("{}: {}", note.member, note.message));
            let refused = refused.collect();
            return Err(LoadError::Empty { path: path.clone(), refused });
        }
    }
    for (_, note) in refused {
        notes.note(note, limits);
    }
    for note in compiled.slow {
        notes.note(note, limits);
    }
    judge(&texts, &index, &mut infos);
    if let Some(note) = files_only(&infos) {
        notes.note(note, limits);
    }
    let memory = for_memory(&sources, &texts, &index, &mut infos, &unknown)?;
    let mut hasher = blake3::Hasher::new();
    for source in &sources {
        for part in [&source.namespace, &source.text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    Ok(Loaded {
        infos,
        hash: format!("blake3:{}", hasher.finalize().to_hex()),
        notes: told(notes),
        files,
        memory,
        hashed: sources.iter().any(|source| names_md5(&source.text)),
    })
}

/// A file of rules, parsed.
struct Text<'a> {
    source: &'a Source,
    ast: AST<'a>,
    /// Where each rule stands.
    spans: Vec<Range<usize>>,
}

impl<'a> Text<'a> {
    fn of(source: &'a Source) -> Self {
        let bytes = source.text.as_bytes();
        let span = |event| {
            let Event::End { kind: SyntaxKind::RULE_DECL, span } = event else { return None };
            Some(span.range())
        };
        let spans = Parser::new(bytes).filter_map(span).collect();
        Self { source, ast: AST::from(bytes), spans }
    }

    /// Where the rule stands that holds an offset.
    fn span_at(&self, at: usize) -> Option<Range<usize>> {
        self.spans.iter().find(|span| span.contains(&at)).cloned()
    }

    fn note(&self, level: Level, code: Code, at: usize, text: &str) -> Diagnostic {
        let before = self.source.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.len().saturating_sub(before.rfind('\n').map_or(0, |feed| feed + 1)) + 1;
        let text: String =
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let text = format!("line {line}, column {column}: {text}");
        Diagnostic::new(level, code, &self.source.origin, text).at(at as u64)
    }
}

/// What a compiler said beside the rules: error or warning, its source and its offset.
struct Compiled {
    errors: Vec<(String, usize, String)>,
    slow: Vec<Diagnostic>,
    ignored: BTreeMap<String, String>,
}

fn compile<'a>(
    sources: impl Iterator<Item = (&'a Source, &'a str)>,
    unknown: &BTreeSet<&str>,
) -> Result<(yara_x::Rules, Compiled), LoadError> {
    // Where memory may not be made executable yara-x panics.
    catch_unwind(AssertUnwindSafe(|| {
        let mut compiler = Compiler::new();
        compiler.relaxed_re_syntax(true).enable_includes(false).colorize_errors(false);
        for module in unknown {
            compiler.ignore_module(*module);
        }
        for name in EXTERNALS {
            // Only a name that is taken is refused, and these differ.
            compiler.define_global(name, "").map(drop).unwrap_or_default();
        }
        for (source, text) in sources {
            compiler.new_namespace(&source.namespace);
            let code = SourceCode::from(text).with_origin(source.origin.as_str());
            // All errors are taken below.
            compiler.add_source(code).map(drop).unwrap_or_default();
        }
        let compiled = Compiled {
            errors: compiler.errors().iter().map(error).collect(),
            slow: compiler.warnings().iter().filter_map(slow).collect(),
            ignored: compiler
                .ignored_rules()
                .map(|(rule, reason)| (rule.to_owned(), reason_of(&reason)))
                .collect(),
        };
        (compiler.build(), compiled)
    }))
    .map_err(|_| LoadError::NotExecutable)
}

fn reason_of(reason: &IgnoredRuleReason<'_>) -> String {
    match reason {
        IgnoredRuleReason::IgnoredModule(module) => {
            format!("it needs the module {module}, which cryoscan does not have")
        }
        IgnoredRuleReason::IgnoredRule(rule) => {
            format!("it depends on the rule {rule}, which was left out")
        }
        IgnoredRuleReason::CompileError(error) => self::error(error).2,
    }
}

/// Origin, offset and text of an error.
fn error(error: &CompileError) -> (String, usize, String) {
    let label = error.labels().next();
    let origin = label.as_ref().and_then(|label| label.origin()).unwrap_or_default().to_owned();
    let at = label.as_ref().map_or(0, |label| label.span().start());
    let detail = label.map(|label| label.text().to_owned()).filter(|text| !text.is_empty());
    let detail = detail.map(|text| format!(": {text}")).unwrap_or_default();
    (origin, at, format!("{}{detail} ({})", error.title(), error.code()))
}

/// What yara-x calls slow; its advice on style is not passed on.
fn slow(warning: &Warning) -> Option<Diagnostic> {
    let is_slow = matches!(
        warning,
        Warning::SlowPattern(_) | Warning::PotentiallySlowLoop(_) | Warning::TooManyIterations(_)
    );
    let label = warning.labels().next().filter(|_| is_slow)?;
    let text = format!("{}: {}", warning.title(), label.text());
    let text: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let origin = label.origin().unwrap_or_default();
    let note = Diagnostic::new(Level::Warning, Code::YaraSlow, origin, text);
    Some(note.at(label.span().start() as u64))
}

/// What was left out, and why; with the path it was given by.
fn refusals(
    sources: &[Source],
    texts: &[Text<'_>],
    index: &BTreeMap<Name, usize>,
    compiled: &Compiled,
) -> Vec<(usize, Diagnostic)> {
    let mut refused = Vec::new();
    let mut seen: BTreeSet<Name> = BTreeSet::new();
    for (source, text) in sources.iter().zip(texts) {
        let mut refuse = |at: usize, reason: &str| {
            let note = text.note(Level::Warning, Code::YaraRefused, at, reason);
            refused.push((source.argument, note));
        };
        for (at, reason) in &source.refused {
            refuse(*at, reason);
        }
        let mut named: BTreeSet<usize> = BTreeSet::new();
        for (origin, at, reason) in &compiled.errors {
            if *origin != source.origin {
                continue;
            }
            let span = text.span_at(*at);
            // One reason is enough for a rule.
            if span.as_ref().is_some_and(|span| !named.insert(span.start)) {
                continue;
            }
            let rule = span.and_then(|span| {
                let inside = |rule: &&Rule<'_>| span.contains(&rule.identifier.span().start());
                text.ast.rules().find(inside).map(|rule| rule.identifier.name)
            });
            match rule {
                Some(rule) => refuse(*at, &format!("rule {rule} was left out: {reason}")),
                None => refuse(*at, reason),
            }
        }
        for rule in text.ast.rules() {
            let identifier = rule.identifier.name;
            let at = rule.identifier.span().start();
            let name = (source.namespace.clone(), identifier.to_owned());
            let known = index.contains_key(&name) && seen.insert(name);
            let start = text.span_at(at).map_or(at, |span| span.start);
            if known || named.contains(&start) {
                continue;
            }
            let reason = compiled.ignored.get(identifier);
            let reason = reason.map_or("it depends on what was left out", String::as_str);
            refuse(at, &format!("rule {identifier} was left out: {reason}"));
        }
    }
    refused
}

/// Says of each rule where it runs.
fn judge(texts: &[Text<'_>], index: &BTreeMap<Name, usize>, infos: &mut [RuleInfo]) {
    let mut global: BTreeMap<&str, String> = BTreeMap::new();
    let mut names = Names::default();
    let mut namespace = "";
    for text in texts {
        if text.source.namespace != namespace {
            namespace = &text.source.namespace;
            names = Names { externals: EXTERNALS.into(), ..Names::default() };
        }
        names.modules.extend(text.ast.imports().map(|import| import.module_name.to_owned()));
        for rule in text.ast.rules() {
            let identifier = rule.identifier.name.to_owned();
            let name = (namespace.to_owned(), identifier.clone());
            let Some(info) = index.get(&name).and_then(|at| infos.get_mut(*at)) else { continue };
            if names.rules.contains_key(&identifier) {
                continue;
            }
            let why = condition::files_only(rule, &names);
            info.counts = condition::counts(&rule.condition);
            info.files_only.clone_from(&why);
            if rule.flags.contains(RuleFlags::Global)
                && let Some(why) = &why
            {
                global.entry(namespace).or_insert_with(|| format!("global rule: {why}"));
            }
            names.rules.insert(identifier, why);
        }
    }
    for info in infos {
        let why = info.files_only.take().or_else(|| global.get(info.namespace.as_str()).cloned());
        let by_meta = || (!info.memory).then(|| "scan_context".to_owned());
        info.files_only = why.or_else(by_meta);
        info.memory = info.files_only.is_none();
        // A rule that its meta keeps for memory and that cannot hold there still holds on files.
        info.files |= !info.memory;
    }
}

/// The rules that run on files only, in one note.
fn files_only(infos: &[RuleInfo]) -> Option<Diagnostic> {
    const NAMED: usize = 20;
    let only: Vec<String> = infos
        .iter()
        .filter_map(|info| Some(format!("{} ({})", info.id, info.files_only.as_ref()?)))
        .collect();
    if only.is_empty() {
        return None;
    }
    let more = only.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let text = format!(
        "{} of {} rules run on files only, as they ask for what memory does not have: {}{more}",
        only.len(),
        infos.len(),
        only.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "),
    );
    Some(Diagnostic::new(Level::Note, Code::YaraFilesOnly, "", text))
}

/// Compiles the rules that run on memory, unless they are all there is.
fn for_memory(
    sources: &[Source],
    texts: &[Text<'_>],
    index: &BTreeMap<Name, usize>,
    infos: &mut [RuleInfo],
    unknown: &BTreeSet<&str>,
) -> Result<Option<yara_x::Rules>, LoadError> {
    if infos.iter().all(|info| info.memory) {
        return Ok(None);
    }
    // A rule may name one that needs a file and do without it: then all of its neighbours come in.
    let mut whole: BTreeSet<String> = BTreeSet::new();
    loop {
        let keep = |text: &Text<'_>| {
            let mut kept = text.source.text.clone();
            for rule in text.ast.rules() {
                let name = (text.source.namespace.clone(), rule.identifier.name.to_owned());
                let info = index.get(&name).and_then(|at| infos.get(*at));
                let runs = info.is_some_and(|info| info.memory || whole.contains(&info.namespace));
                let span = text.span_at(rule.identifier.span().start());
                if let Some(span) = span.filter(|_| !runs) {
                    source::blank(&mut kept, span);
                }
            }
            kept
        };
        let kept: Vec<String> = texts.iter().map(keep).collect();
        let pairs = sources.iter().zip(kept.iter().map(String::as_str));
        let (rules, _) = compile(pairs, unknown)?;
        let there: BTreeSet<Name> = rules
            .iter()
            .map(|rule| (rule.namespace().to_owned(), rule.identifier().to_owned()))
            .collect();
        let mut lacking = Vec::new();
        for (name, at) in index {
            if infos.get(*at).is_some_and(|info| info.memory) && !there.contains(name) {
                lacking.push(*at);
            }
        }
        if lacking.is_empty() {
            return Ok(Some(rules));
        }
        let mut again = BTreeSet::new();
        for at in lacking {
            let Some(info) = infos.get_mut(at) else { continue };
            if whole.contains(&info.namespace) {
                // It was there for files, so this does not happen; nothing may be lost if it does.
                info.memory = false;
                info.files = true;
                info.files_only = Some("compiled for files only".to_owned());
            } else {
                again.insert(info.namespace.clone());
            }
        }
        whole.extend(again);
    }
}

/// All notes in order, with a last one where there were more of a code.
fn told(mut partial: Partial) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    for (code, notes) in std::mem::take(&mut partial.notes) {
        let count = partial.note_counts.get(&code).copied().unwrap_or_default();
        let kept = notes.len() as u64;
        all.extend(notes);
        if count > kept {
            let text = format!("{} more of these, {count} in all", count - kept);
            all.push(Diagnostic::new(Level::Note, code, "", text));
        }
    }
    all
}

/// Whether a text names the variable `md5`, not the function `hash.md5`.
fn names_md5(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices("md5").any(|(at, word)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(|letter| is_part(letter) || letter == '.')
            && !after.is_some_and(is_part)
    })
}
