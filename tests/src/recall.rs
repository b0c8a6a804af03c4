//! Compares a JSON Lines report with what is truly in a checkpoint.

mod finding;

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use crate::fixtures::{Planted, Truth};
use crate::reader::Reader;
use finding::{Finding, Hit, Place};

pub use finding::canonical;

/// Kinds of planted values that no rule is about: told by nothing but context, or to come. All others
/// are asked for.
pub const WITHOUT_RULE: &[&str] = &[
    "age-secret-key",
    "airtable-pat",
    "atlassian-api-token",
    "bip39-mnemonic",
    "bitcoin-wif",
    "buildkite-token",
    "databricks-token",
    "digitalocean-token",
    "discord-bot-token",
    "discord-webhook",
    "doppler-token",
    "figma-token",
    "flyio-token",
    "generic-api-key",
    "google-oauth-secret",
    "htpasswd-hash",
    "ioc-authorized-keys",
    "ioc-bitcoin-address",
    "ioc-cron",
    "ioc-ld-so-preload",
    "ioc-onion",
    "jenkins-hudson-util-secret",
    "linear-api-key",
    "mailchimp-key",
    "netrc-password",
    "newrelic-key",
    "notion-token",
    "onepassword-service-account",
    "pgp-private-key",
    "postman-key",
    "rubygems-key",
    "seed-demo",
    "sendgrid-key",
    "shopify-token",
    "slack-app-token",
    "slack-user-token",
    "slack-webhook",
    "square-token",
    "supabase-token",
    "tailscale-auth-key",
    "telegram-bot-token",
    "terraform-cloud-token",
];

/// What must be reached, each in tenths of a percent. Raise a figure when what it waits for is there;
/// never lower one. The goal for `found` is 1000; what is below lies in encodings and parent dumps.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Values found, wherever they lie.
    pub found: u64,
    /// Values found that lie in direct reach ([`Planted::is_direct`]).
    pub direct: u64,
    /// Of those found: reported byte for byte.
    pub exact: u64,
    /// Places in memory that hold the value, and image offsets that lead to it.
    pub places: u64,
    /// Other places where a found value lies (files, queues, shared memory) that are reported.
    pub others: u64,
    /// Decoys and page gaps that are left alone.
    pub alone: u64,
}

/// What `.ci/run recall` asks of the checkpoints in `tests/fixtures`.
pub const LEAST: Thresholds =
    Thresholds { found: 1000, direct: 1000, exact: 970, places: 1000, others: 950, alone: 1000 };

const LAYOUT: &str = "layout";
const CHECKPOINT: &str = "checkpoint";
const PLACE: &str = "place";
const REACH: &str = "reach";
const KIND: &str = "kind";
const SURROUNDING: &str = "surrounding";

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Cases that are as they should be.
    pub hit: u64,
    /// All cases.
    pub of: u64,
}

impl Rate {
    fn add(&mut self, hit: bool) {
        self.hit += u64::from(hit);
        self.of += 1;
    }

    fn merge(&mut self, other: Self) {
        self.hit += other.hit;
        self.of += other.of;
    }

    fn reaches(self, permille: u64) -> bool {
        self.hit * 1000 >= self.of * permille
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let permille = (self.hit * 1000).checked_div(self.of).unwrap_or(1000);
        write!(f, "{} | {} | {}.{} %", self.hit, self.of, permille / 10, permille % 10)
    }
}

/// How a report fares against the truth; those of several checkpoints add up by [`merge`](Self::merge).
#[derive(Debug, Default)]
pub struct Recall {
    /// Values that were found, whole or in the part that matters.
    pub found: Rate,
    /// The same of values in direct reach.
    pub direct: Rate,
    /// Of those found: reported byte for byte, no more and no less.
    pub exact: Rate,
    /// Places in memory: the bytes at (pid, address, length) are the value.
    pub places: Rate,
    /// Places with an image: the bytes at (image, offset) are those at the address.
    pub offsets: Rate,
    /// Processes known to hold a found value that are among its places.
    pub pids: Rate,
    /// Files, queues and mappings of shared memory known to hold a found value that are among its
    /// places, under the kind of region that they are.
    pub others: Rate,
    /// Decoys that were left alone.
    pub decoys: Rate,
    /// Page gaps that were left alone.
    pub gaps: Rate,
    /// Found values by layout, checkpoint, place, reach, kind and surrounding.
    pub by: BTreeMap<(&'static str, String), Rate>,
    /// What went wrong, by the truth's ids and the rules' ids; holds no values.
    pub problems: Vec<String>,
}

/// Compares a report, made with `--show-secrets`, with the truth of its checkpoint. Values of the
/// kinds in `without_rule`, weak and optional ones are not asked for, nor is what is no value.
///
/// # Errors
/// When a line of the report is not JSON, or the truth does not decode.
pub fn compare(
    report: &str,
    truth: &Truth,
    reader: &Reader,
    without_rule: &[&str],
) -> Result<Recall> {
    let findings = finding::parse(report)?;
    let mut recall = Recall::default();
    let others = truth.values.iter().filter(|planted| !planted.decoy);
    let others = others.map(|p| Ok(canonical(&p.bytes()?))).collect::<Result<Vec<_>>>()?;
    for planted in &truth.values {
        let hits = findings.iter().map(|f| Ok((f, f.hit(planted)?))).collect::<Result<Vec<_>>>()?;
        let hits: Vec<(&Finding, Hit)> =
            hits.into_iter().filter_map(|(f, hit)| Some((f, hit?))).collect();
        if planted.page_gap {
            recall.leave_alone(planted, hits.iter().map(|(finding, _)| *finding));
        } else if planted.decoy {
            let value = canonical(&planted.bytes()?);
            let reported = findings.iter().filter(|f| f.shows_decoy(&value, planted.soft, &others));
            recall.leave_alone(planted, reported);
        } else if planted.is_asked_for() && !without_rule.contains(&planted.kind.as_str()) {
            recall.ask_for(planted, &hits, truth, reader)?;
        }
    }
    Ok(recall)
}

impl Recall {
    fn leave_alone<'a>(&mut self, planted: &Planted, by: impl Iterator<Item = &'a Finding>) {
        let rules: Vec<&str> = by.map(|finding| finding.rule.id.as_str()).collect();
        let (what, rate) = if planted.page_gap {
            ("page gap", &mut self.gaps)
        } else {
            ("decoy", &mut self.decoys)
        };
        rate.add(rules.is_empty());
        if !rules.is_empty() {
            self.problems.push(format!("{what} {} reported by {}", planted.id, rules.join(", ")));
        }
    }

    fn ask_for(
        &mut self,
        planted: &Planted,
        hits: &[(&Finding, Hit)],
        truth: &Truth,
        reader: &Reader,
    ) -> Result<()> {
        let found = !hits.is_empty();
        self.found.add(found);
        let direct = planted.is_direct();
        if direct {
            self.direct.add(found);
        }
        for (table, row) in [
            (LAYOUT, truth.layout.clone()),
            (CHECKPOINT, truth.name.clone()),
            (PLACE, planted.place()),
            (REACH, if direct { "direct" } else { "behind another form" }.to_owned()),
            (KIND, planted.kind.clone()),
            (SURROUNDING, planted.planted_surrounding.clone()),
        ] {
            self.by.entry((table, row)).or_default().add(found);
        }
        if !found {
            self.problems.push(format!("missed {}: {}", planted.id, planted.planted_surrounding));
            return Ok(());
        }
        let exact = hits.iter().any(|(_, hit)| *hit == Hit::Exact);
        self.exact.add(exact);
        if !exact {
            self.problems.push(format!("not exact {}: {}", planted.id, hits[0].0.rule.id));
        }
        for (finding, _) in hits {
            for place in &finding.places {
                let judged = finding::judge(place, planted, reader)?;
                for (rate, true_place) in
                    [(&mut self.places, judged.address), (&mut self.offsets, judged.offset)]
                {
                    let Some(true_place) = true_place else { continue };
                    rate.add(true_place);
                    if !true_place {
                        self.problems.push(format!("untrue place {}: {place:?}", planted.id));
                    }
                }
            }
        }
        let complete = hits.iter().all(|(finding, _)| finding.places_omitted == 0);
        for pid in planted.pids.iter().filter(|_| complete) {
            let mut places = hits.iter().flat_map(|(finding, _)| &finding.places);
            let named = places.any(|place| place.pid == Some(*pid));
            self.pids.add(named);
            if !named {
                self.problems.push(format!("process not named {}: {pid}", planted.id));
            }
        }
        let places: Vec<&Place> = hits.iter().flat_map(|(finding, _)| &finding.places).collect();
        for other in finding::others(planted) {
            let named = !complete || places.iter().any(|place| other.is_at(place));
            self.others.add(named);
            if !named {
                self.problems.push(format!("place not named {}: {other}", planted.id));
            }
        }
        Ok(())
    }

    /// Adds the figures of another checkpoint.
    pub fn merge(&mut self, other: Self) {
        self.found.merge(other.found);
        self.direct.merge(other.direct);
        self.others.merge(other.others);
        self.exact.merge(other.exact);
        self.places.merge(other.places);
        self.offsets.merge(other.offsets);
        self.pids.merge(other.pids);
        self.decoys.merge(other.decoys);
        self.gaps.merge(other.gaps);
        for (row, rate) in other.by {
            self.by.entry(row).or_default().merge(rate);
        }
        self.problems.extend(other.problems);
    }

    /// Whether every threshold is reached, and values were asked for at all.
    pub fn passes(&self, least: &Thresholds) -> bool {
        let rates = [
            (self.found, least.found),
            (self.direct, least.direct),
            (self.exact, least.exact),
            (self.places, least.places),
            (self.offsets, least.places),
            (self.others, least.others),
            (self.decoys, least.alone),
            (self.gaps, least.alone),
        ];
        self.found.of > 0 && rates.into_iter().all(|(rate, permille)| rate.reaches(permille))
    }

    /// The figures as Markdown tables, then the problems.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        head(&mut text, "figure");
        for (name, rate) in [
            ("recall", self.found),
            ("recall in direct reach", self.direct),
            ("exact values", self.exact),
            ("places true", self.places),
            ("image offsets true", self.offsets),
            ("processes named", self.pids),
            ("other places named", self.others),
            ("decoys left alone", self.decoys),
            ("page gaps left alone", self.gaps),
        ] {
            row(&mut text, name, rate);
        }
        for table in [LAYOUT, CHECKPOINT, PLACE, REACH, KIND, SURROUNDING] {
            text += "\n";
            head(&mut text, table);
            for ((_, key), rate) in self.by.iter().filter(|((name, _), _)| *name == table) {
                row(&mut text, &key.replace('|', "\\|"), *rate);
            }
        }
        if !self.problems.is_empty() {
            text += "\n";
        }
        text.extend(self.problems.iter().flat_map(|problem| ["- ", problem, "\n"]));
        text
    }
}

// Writing to a string cannot fail.

fn head(text: &mut String, name: &str) {
    writeln!(text, "| {name} | hit | of | rate |\n|---|--:|--:|--:|").unwrap_or_default();
}

fn row(text: &mut String, name: &str, rate: Rate) {
    writeln!(text, "| {name} | {rate} |").unwrap_or_default();
}

#[cfg(test)]
mod tests;
