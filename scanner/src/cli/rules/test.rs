//! `cryoscan rules test`: do rules find their examples where memory puts them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::print;
use crate::cli::user_rules::{self, FilesArgs, SelectArgs};
use crate::matching::proving::{self, Bench, Case, Hit, Random, Setting};
use crate::report::{escape, number};
use crate::rule::{Edge, Example, Piece, Rule, RuleExamples, RuleSet, View, alphabet, pieces};

pub(super) const EXAMPLES: &str = "\
Examples:
  cryoscan rules test                        the built-in rules
  cryoscan rules test my-rules.toml          those of a file, in any dialect that is read
  cryoscan rules test --rule 'github-*'      some of them";

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// Rule files, or folders of them; without any, the built-in rules
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    select: SelectArgs,
}

/// Texts made of one template.
const SEEDS: std::ops::Range<u64> = 1..3;

/// What became of the rules.
#[derive(Default)]
struct Table {
    /// Texts that were tried.
    texts: u64,
    settings: u64,
    /// Texts that cannot be made here.
    skipped: u64,
    /// Rules without examples.
    bare: u64,
    /// By rule and text: what is wrong, in how many settings, and the first of them.
    failed: BTreeMap<(String, String), (&'static str, u64, String)>,
}

/// Tries rules, and gives the exit code.
pub(super) fn run(args: &TestArgs) -> anyhow::Result<u8> {
    let (set, examples) = if args.files.is_empty() {
        let mut set = RuleSet::builtin()?;
        user_rules::choose(&mut set, &args.select)?;
        (set, RuleSet::examples(cryoscan_rules::SECRETS)?)
    } else {
        let files = FilesArgs { rules: args.files.clone(), rules_lenient: false };
        let mut loaded = user_rules::load(&files)?;
        user_rules::choose(&mut loaded.set, &args.select)?;
        (loaded.set, loaded.examples)
    };
    let chosen: Vec<(&Rule, &RuleExamples)> = examples
        .iter()
        .filter_map(|entry| Some((set.rules().iter().find(|rule| rule.id == entry.0)?, entry)))
        .collect();
    if chosen.is_empty() {
        bail!("there is no rule to test");
    }
    let mut table = Table::default();
    for (rule, (_, examples, counterexamples)) in &chosen {
        // Alone: which of several rules names a value is another question.
        let mut alone = set.clone();
        alone
            .select(std::slice::from_ref(&rule.id), &[])
            .map_err(|it| anyhow::anyhow!(it.selector))?;
        let mut bench = Bench::new(alone);
        table.bare += u64::from(examples.is_empty());
        for example in examples {
            table.example(&mut bench, rule, example);
        }
        for example in counterexamples {
            table.counterexample(&mut bench, rule, example);
        }
    }
    print(table.page(chosen.len()).as_bytes())?;
    Ok(u8::from(!table.failed.is_empty()))
}

impl Table {
    fn example(&mut self, bench: &mut Bench, rule: &Rule, example: &Example) {
        for seed in SEEDS.filter(|seed| !example.is_text || *seed == SEEDS.start) {
            let Some((text, value)) = made(rule, example, seed) else {
                self.skipped += 1;
                return;
            };
            self.texts += 1;
            let mut case = case(rule, example, &text, value.clone().unwrap_or(0..text.len()));
            if value.is_none() {
                // Where the value is, its pattern says, in the text as it stands.
                let Some(range) = value_in(bench, &case) else {
                    self.fail(rule, &text, "not found", "as it is");
                    continue;
                };
                case = self::case(rule, example, &text, range);
            }
            for setting in proving::settings(&case, seed) {
                // What is shorter is no encoded text anywhere.
                if case.text.len() < LEAST_ENCODED && !setting.written.is_empty() {
                    continue;
                }
                self.settings += 1;
                let tried = bench.scan(&case, setting);
                let is_it = |hit: &Hit| {
                    let expected = &tried.expected;
                    (hit.at, hit.len) == (expected.at, expected.len) || expected.covers(hit)
                };
                if !tried.hits.iter().any(is_it) {
                    self.fail(rule, &text, "not found", &setting.to_string());
                }
            }
        }
    }

    fn counterexample(&mut self, bench: &mut Bench, rule: &Rule, example: &Example) {
        for seed in SEEDS.filter(|seed| !example.is_text || *seed == SEEDS.start) {
            let Some((text, value)) = made(rule, example, seed) else {
                self.skipped += 1;
                return;
            };
            self.texts += 1;
            let mut case = case(rule, example, &text, value.unwrap_or(0..text.len()));
            // With other text directly behind it, a text that is too short is one no more.
            case.has_end &= !example.is_text;
            let settings = proving::settings(&case, seed).into_iter();
            for setting in settings.filter(|setting| !proving::is_seen_plainly(setting)) {
                self.settings += 1;
                if !bench.scan(&case, setting).hits.is_empty() {
                    self.fail(rule, &text, "found, and should not be", &setting.to_string());
                }
            }
        }
    }

    fn fail(&mut self, rule: &Rule, text: &str, what: &'static str, setting: &str) {
        let key = (rule.id.clone(), text.to_owned());
        self.failed.entry(key).or_insert_with(|| (what, 0, setting.to_owned())).1 += 1;
    }

    fn page(&self, rules: usize) -> String {
        let mut rows =
            vec![["rule", "text", "what", "settings", "the first of them"].map(str::to_owned)];
        for ((rule, text), (what, count, first)) in &self.failed {
            let mut shown: String = text.chars().take(40).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            let shown = escape(&shown);
            rows.push([rule.clone(), shown, (*what).to_owned(), count.to_string(), first.clone()]);
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..5).map(width).collect();
        let mut page = String::new();
        for row in rows.iter().filter(|_| !self.failed.is_empty()) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            page.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            page.push('\n');
        }
        let rules = number(u64::try_from(rules).unwrap_or(u64::MAX), "rule", "rules");
        let texts = number(self.texts, "text", "texts");
        let settings = number(self.settings, "setting", "settings");
        let result = match self.failed.len() {
            0 => "all as they should be".to_owned(),
            count => format!("{count} failed"),
        };
        page.extend([rules.as_str(), ", ", &texts, " in ", &settings, ": ", &result]);
        if self.skipped > 0 {
            let skipped = number(self.skipped, "example needs", "examples need");
            page.extend(["; ", &skipped, " what only the project's tests make"]);
        }
        if self.bare > 0 {
            page.extend(["; ", &number(self.bare, "rule", "rules"), " without examples"]);
        }
        page.push('\n');
        page
    }
}

/// Characters of the shortest text that is tried in other encodings: hex of 40 digits is read, and
/// base64 of 24.
const LEAST_ENCODED: usize = 20;

fn case<'a>(
    rule: &'a Rule,
    example: &Example,
    text: &str,
    value: std::ops::Range<usize>,
) -> Case<'a> {
    let is_inside = value.end < text.len();
    Case {
        rule,
        text: text.to_owned(),
        path: example.path.clone().unwrap_or_default(),
        // Nothing but a fixed length says where a value ends that other text follows.
        has_end: is_inside || (rule.edge == Edge::Soft && rule.fixed_len && rule.group == 0),
        value,
    }
}

/// Where a rule finds its value in a text that stands alone.
fn value_in(bench: &mut Bench, case: &Case<'_>) -> Option<std::ops::Range<usize>> {
    let (kind, _) = proving::kinds(case.rule).find(|(_, looks)| *looks)?;
    let setting = Setting {
        kind,
        written: &[],
        before: proving::Before::Nul,
        after: proving::After::Nul,
        position: proving::Position::Anywhere,
        odd: false,
        seed: 0,
    };
    let tried = bench.scan(case, setting);
    let hit = tried.hits.first()?;
    let start = usize::try_from(hit.at.checked_sub(tried.expected.at)?).ok()?;
    let end = start.checked_add(usize::try_from(hit.len).ok()?)?;
    case.text.is_char_boundary(start).then_some(start..end.min(case.text.len()))
}

/// The text of an example, and where the value is in it, if the example says so. `None` when its
/// template needs more than characters of a class.
fn made(
    rule: &Rule,
    example: &Example,
    seed: u64,
) -> Option<(String, Option<std::ops::Range<usize>>)> {
    if example.is_text {
        return Some((example.r#gen.clone(), None));
    }
    if rule.view == View::Bytes {
        return None;
    }
    let mut random = Random::new(seed);
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = fill(&example.r#gen, &mut |part, before| {
        let made = part_of(part, before, &mut random)?;
        parts.entry(part.to_owned()).or_default().push(made.clone());
        Some(made)
    })?;
    let Some(value) = &example.value else {
        let all = 0..text.len();
        return Some((text, Some(all)));
    };
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    let value = fill(value, &mut |part, _| {
        let index = used.entry(part.to_owned()).or_default();
        *index += 1;
        parts.get(part)?.get(*index - 1).cloned()
    })?;
    let start = text.find(&value)?;
    Some((text, Some(start..start + value.len())))
}

/// A template with its parts filled in.
fn fill(template: &str, part: &mut dyn FnMut(&str, &str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Part(name) => {
                let made = part(name, &text)?;
                text.push_str(&made);
            }
        }
    }
    Some(text)
}

/// Characters of a class, or the checksum of the thirty characters before.
fn part_of(part: &str, before: &str, random: &mut Random) -> Option<String> {
    let (class, len) = part.split_once(':').unwrap_or((part, ""));
    if class == "crc32" && len.is_empty() {
        return Some(base62(crc32fast::hash(before.as_bytes().last_chunk::<30>()?)));
    }
    let len = len.parse().ok().filter(|len| *len <= crate::rule::MAX_MATCH)?;
    String::from_utf8(random.of(&alphabet(class)?, len)).ok()
}

/// A checksum as GitHub and npm write it: six digits of base 62.
fn base62(mut sum: u32) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = Vec::new();
    for _ in 0..6 {
        let digit = usize::try_from(sum % 62).unwrap_or_default();
        text.push(digits.get(digit).copied().unwrap_or(b'0'));
        sum /= 62;
    }
    text.reverse();
    String::from_utf8_lossy(&text).into_owned()
}
