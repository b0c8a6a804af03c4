//! Compares a JSON Lines report with what is truly in a checkpoint.

mod finding;

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use crate::fixtures::{Planted, Truth};
use crate::reader::Reader;
use finding::{Finding, Hit};

pub use finding::canonical;

/// Kinds of planted values that the rules cover; all of them that lie in direct reach must be found.
pub const COVERED: [&str; 35] = [
    "anthropic-api-key",
    "aws-access-key-id",
    "aws-secret-access-key",
    "azure-ad-client-secret",
    "azure-storage-key",
    "basic-auth",
    "connection-string",
    "dockerhub-pat",
    "gcp-api-key",
    "github-app-token",
    "github-fine-grained-pat",
    "github-pat",
    "gitlab-pat",
    "gitlab-pat-routable",
    "huggingface-token",
    "jenkins-api-token",
    "jenkins-encrypted-field",
    "jenkins-master-key",
    "jenkins-secret-key",
    "jwt-es256",
    "jwt-hs256",
    "jwt-hs512",
    "jwt-rs256",
    "k8s-service-account-token",
    "npm-token",
    "openai-project-key",
    "openssh-private-key",
    "password-argument",
    "password-environment",
    "pem-private-key",
    "pypi-token",
    "rsa-key-file",
    "slack-bot-token",
    "stripe-live-key",
    "vault-service-token",
];

/// Share of found values that must be reported byte for byte, in percent.
const EXACT_PERCENT: u64 = 97;

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

    fn reaches(self, percent: u64) -> bool {
        self.hit * 100 >= self.of * percent
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
    /// Values of the covered kinds in direct reach that were found, whole or in the part that matters.
    pub found: Rate,
    /// Of those found: reported byte for byte, no more and no less.
    pub exact: Rate,
    /// Places in memory: the bytes at (pid, address, length) are the value.
    pub places: Rate,
    /// Places with an image: the bytes at (image, offset) are those at the address.
    pub offsets: Rate,
    /// Processes known to hold a found value that are among its places.
    pub pids: Rate,
    /// Decoys that were left alone.
    pub decoys: Rate,
    /// Page gaps that were left alone.
    pub gaps: Rate,
    /// Found values by checkpoint, kind and surrounding.
    pub by: BTreeMap<(&'static str, String), Rate>,
    /// What went wrong, by the truth's ids and the rules' ids; holds no values.
    pub problems: Vec<String>,
}

/// Compares a report, made with `--show-secrets`, with the truth of its checkpoint. Values of other
/// kinds than `kinds`, outside of direct reach, weak and optional ones are not asked for.
///
/// # Errors
/// When a line of the report is not JSON, or the truth does not decode.
pub fn compare(report: &str, truth: &Truth, reader: &Reader, kinds: &[&str]) -> Result<Recall> {
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
        } else if planted.expect_present
            && kinds.contains(&planted.kind.as_str())
            && planted.is_direct()
            && !planted.weak
            && !planted.optional
        {
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
        for (table, row) in [
            ("checkpoint", &truth.name),
            ("kind", &planted.kind),
            ("surrounding", &planted.planted_surrounding),
        ] {
            self.by.entry((table, row.clone())).or_default().add(found);
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
            self.pids.add(places.any(|place| place.pid == Some(*pid)));
        }
        Ok(())
    }

    /// Adds the figures of another checkpoint.
    pub fn merge(&mut self, other: Self) {
        self.found.merge(other.found);
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

    /// Whether every threshold is reached: values were asked for and all found, 97 % byte for byte,
    /// every place true, no decoy and no page gap reported.
    pub fn passes(&self) -> bool {
        let whole = [self.found, self.places, self.offsets, self.decoys, self.gaps];
        self.found.of > 0
            && whole.iter().all(|rate| rate.reaches(100))
            && self.exact.reaches(EXACT_PERCENT)
    }

    /// The figures as Markdown tables, then the problems.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        head(&mut text, "figure");
        for (name, rate) in [
            ("recall", self.found),
            ("exact values", self.exact),
            ("places true", self.places),
            ("image offsets true", self.offsets),
            ("processes named", self.pids),
            ("decoys left alone", self.decoys),
            ("page gaps left alone", self.gaps),
        ] {
            row(&mut text, name, rate);
        }
        let mut table = "";
        for ((name, key), rate) in &self.by {
            if *name != table {
                table = name;
                text += "\n";
                head(&mut text, name);
            }
            row(&mut text, &key.replace('|', "\\|"), *rate);
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
