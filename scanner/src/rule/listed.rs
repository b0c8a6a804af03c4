//! Rules for indicators of lists: one for each kind of thing that is listed.

use std::sync::Arc;

use super::model::{Anchor, Class, Edge, Encodings, Places, Report, Rule, RuleId, RuleSet, View};
use super::pattern::Pattern;
use crate::check::{Confidence, Severity};
use crate::indicator::{Indicators, Kind};

/// Longest text of an indicator.
const LONGEST: usize = 2 << 10;

impl RuleSet {
    /// Adds lists of indicators of the user: rules `ioc:` and the kind.
    pub fn add_indicators(&mut self, indicators: Arc<Indicators>) {
        self.rules.extend(indicators.kinds().map(rule));
        self.indicators = Some(indicators);
    }

    /// The lists of indicators.
    pub fn indicators(&self) -> Option<&Arc<Indicators>> {
        self.indicators.as_ref()
    }

    /// The rule for indicators of a kind.
    pub fn listed(&self, kind: Kind) -> Option<RuleId> {
        // They were added last.
        let is = |rule: &Rule| rule.class == Class::Listed && rule.indicator == kind.word();
        let index = self.rules.iter().rposition(is)?;
        u32::try_from(index).ok().map(RuleId)
    }
}

/// The name of a rule, and how sure it is that the thing is meant where its text stands.
fn words(kind: Kind) -> (&'static str, Confidence) {
    match kind {
        Kind::Ipv4 => ("Listed IPv4 address", Confidence::Medium),
        Kind::Ipv6 => ("Listed IPv6 address", Confidence::Medium),
        Kind::Domain => ("Listed domain", Confidence::High),
        Kind::Url => ("Listed URL", Confidence::High),
        // The file itself may never have been here.
        Kind::Md5 => ("Listed MD5 hash", Confidence::Low),
        Kind::Sha1 => ("Listed SHA-1 hash", Confidence::Low),
        Kind::Sha256 => ("Listed SHA-256 hash", Confidence::Low),
        Kind::Sha512 => ("Listed SHA-512 hash", Confidence::Low),
    }
}

fn rule(kind: Kind) -> Rule {
    let (name, confidence) = words(kind);
    Rule {
        id: format!("ioc:{}", kind.word()),
        name: name.to_owned(),
        description: "An indicator of a list given by --ioc.".to_owned(),
        family: "ioc".to_owned(),
        tags: Vec::new(),
        class: Class::Listed,
        indicator: kind.word().to_owned(),
        severity: Severity::High,
        confidence,
        pattern: Pattern::new(String::new()),
        group: 0,
        any_group: false,
        name_group: None,
        items: None,
        view: View::Text,
        anchor: Anchor::Listed,
        literals: Vec::new(),
        followers: Vec::new(),
        before: 0,
        max_len: LONGEST,
        fixed_len: true,
        checks: Vec::new(),
        encodings: Encodings::ALL,
        places: Places::ALL,
        path: None,
        edge: Edge::Checked,
        report: Report::Always,
        guessable: false,
        terms: None,
        generic: false,
        near: None,
        prefix: String::new(),
        remediation: "Look up in the list why it is watched for, and at the places why the process holds it: what \
                      it connected to, fetched or ran, or a list or log that only names it."
            .to_owned(),
        references: Vec::new(),
        cwe: vec!["CWE-506".to_owned()],
        attack: Vec::new(),
    }
}
