//! What was found, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Plant, Verdict};
use crate::kinds::GROUPS;

/// Counts of values.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    planted: usize,
    exact: usize,
    other: usize,
}

impl Tally {
    fn add(&mut self, plant: &Plant) {
        self.planted += 1;
        match plant.verdict {
            Verdict::Exact(_) => self.exact += 1,
            Verdict::Other(_) => self.other += 1,
            Verdict::Missed => {}
        }
    }

    fn row(&self) -> String {
        let Self { planted, exact, other } = self;
        let missed = planted - exact - other;
        format!("{planted} | {exact} | {other} | {missed} | {}", rate(*exact, *planted))
    }
}

/// What the figures mean.
const ABOUT: &str = "# Recall on generated values

Fresh values of every kind that rules should know, in every surrounding of process memory where they have a
meaning, in live processes that are dumped and scanned. The kinds are facts about the vendors' formats
([`tests/src/kinds/`](../tests/src/kinds)), written apart from the examples of the rules; no value is used twice.

A value counts as *exact* if a finding shows it byte for byte at the address at which `/proc/PID/mem` held it when
the process was dumped: in JSON, UTF-16 and percent escapes at the address of its first character, in base64, hex and
gzip inside of the encoded run. Of a URI the password, of base64 what it says, counts as well. *Other ends*: a finding
shows something else at that address. A value that has no end of its own has a NUL behind it where others have a pointer or
stale text directly behind them: no reader could tell where it ends. What only a name tells (a password, 40 hex
digits) stands assigned to that name in every surrounding. Left out are kinds that only the path of a file tells.

Made by `cargo run --release -p cryoscan-tests --bin generated -- --cryoscan target/release/cryoscan`; other values with
`--seed N`, and every miss with `--misses`. `tests/tests/behaviour/generated.rs` holds a few kinds to all of it.

";

/// What is missed on purpose, or not known how to find.
const LEFT: &str = "
What is left, and why:

- A pair of Solana as a bare list of 64 numbers: in text it has no literal and no name; in its file, and assigned to
  a name, it is found.
- The key schedule of AES (`aes-schedule`): nothing looks for key expansions. A secret key in a JCEKS store
  (`jceks`): the store is found, but a serialized object of Java has no length, so its end is not.
- Values with three or four letters before random ones, or none at all, with other letters directly beside them
  (*stale text*): without a checksum they would be found in any base64, so the border is hard.
- Single values of a dozen or twenty characters that do not look drawn at random, by chance.

Other values (`--seed 2`) change the rate by less than half a percent.
";

const HEAD: &str = "| planted | exact | other ends | missed | rate |\n|---|--:|--:|--:|--:|--:|\n";

fn rate(hit: usize, of: usize) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    // Rounded down: 100 % is all of them.
    let tenths = 1000 * hit / of;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn table<K: Ord + Copy>(
    plants: &[Plant],
    title: &str,
    key: impl Fn(&Plant) -> K,
    name: impl Fn(K) -> String,
) -> String {
    let mut rows: BTreeMap<K, Tally> = BTreeMap::new();
    for plant in plants {
        rows.entry(key(plant)).or_default().add(plant);
    }
    let mut out = format!("| {title} {HEAD}");
    for (key, tally) in rows {
        writeln!(out, "| {} | {} |", name(key), tally.row()).unwrap_or_default();
    }
    out.push('\n');
    out
}

/// Tables by surrounding, group, priority and kind, and the findings of high confidence that are at no
/// planted value, by rule.
pub fn markdown(plants: &[Plant], astray: &BTreeMap<String, usize>) -> String {
    let mut all = Tally::default();
    for plant in plants {
        all.add(plant);
    }
    let mut out = format!("{ABOUT}| {HEAD}| all | {} |\n\n", all.row());
    out.push_str(&table(plants, "surrounding", |p| p.surrounding, |it| it.name().to_owned()));
    out.push_str(&table(plants, "group", |p| p.group, group));
    out.push_str(&table(plants, "priority", |p| p.kind.priority, |it| it.to_string()));
    let mut kinds: BTreeMap<(&str, &str), Vec<&Plant>> = BTreeMap::new();
    for plant in plants {
        kinds.entry((plant.group, plant.kind.id)).or_default().push(plant);
    }
    out.push_str("| kind | priority | exact | of | by other rules | not or with other ends |\n");
    out.push_str("|---|--:|--:|--:|---|---|\n");
    for ((_, id), plants) in kinds {
        let exact =
            plants.iter().filter(|plant| matches!(plant.verdict, Verdict::Exact(_))).count();
        let priority = plants.first().map_or(0, |plant| plant.kind.priority);
        let of = plants.len();
        let (others, misses) = (other_rules(id, &plants), misses(&plants));
        writeln!(out, "| {id} | {priority} | {exact} | {of} | {others} | {misses} |")
            .unwrap_or_default();
    }
    out.push_str(LEFT);
    if !astray.is_empty() {
        out.push_str("\nFindings of high confidence at no planted value, by rule:\n\n");
        out.push_str("| rule | findings |\n|---|--:|\n");
        for (rule, count) in astray {
            writeln!(out, "| {rule} | {count} |").unwrap_or_default();
        }
    }
    out
}

fn group(letter: &str) -> String {
    let name = GROUPS.iter().find(|(known, _, _)| *known == letter).map_or("", |(_, name, _)| name);
    format!("{letter}: {name}")
}

/// Rules that found values of this kind, but do not bear its name.
fn other_rules(id: &str, plants: &[&Plant]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for plant in plants {
        if let Verdict::Exact(rules) = &plant.verdict
            && !rules.contains(id)
        {
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            *counts.entry(rules.join("+")).or_default() += 1;
        }
    }
    let counts: Vec<String> =
        counts.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    counts.join(", ")
}

/// Where values of this kind are not found, or with other ends.
fn misses(plants: &[&Plant]) -> String {
    let of = |test: &dyn Fn(&Plant) -> bool| -> BTreeSet<&'static str> {
        plants.iter().filter(|plant| test(plant)).map(|plant| plant.surrounding.name()).collect()
    };
    let found = plants.iter().any(|plant| matches!(plant.verdict, Verdict::Exact(_)));
    let missed = of(&|plant| plant.verdict == Verdict::Missed);
    let other = of(&|plant| matches!(plant.verdict, Verdict::Other(_)));
    let list = |names: &BTreeSet<&'static str>| {
        let names: Vec<&str> = names.iter().copied().collect();
        names.join(", ")
    };
    match (found, missed.is_empty(), other.is_empty()) {
        (false, false, true) => "everywhere".to_owned(),
        (_, true, true) => String::new(),
        (_, false, true) => list(&missed),
        (_, true, false) => format!("other ends: {}", list(&other)),
        (_, false, false) => format!("{}; other ends: {}", list(&missed), list(&other)),
    }
}
