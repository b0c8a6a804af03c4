//! What the meta of a rule says of it: severity, references, who wrote it.

use std::collections::{BTreeMap, BTreeSet};

use yara_x::{MetaValue, Rule};

use super::model::RuleInfo;
use crate::check::{Confidence, Severity};

/// Characters of one text that are kept.
const TEXT: usize = 300;
/// Texts that are kept of one rule, of each kind.
const TEXTS: usize = 16;

/// What to do about a rule that does not say so itself.
const REMEDIATION: &str = "Find out what the process or file is and who started or wrote it; keep the checkpoint as \
     evidence before the container goes.";

/// What to put into reports about a rule.
pub(super) fn info(rule: &Rule<'_, '_>) -> RuleInfo {
    let identifier = rule.identifier();
    let namespace = rule.namespace();
    let mut info = RuleInfo {
        id: format!("yara:{namespace}.{identifier}"),
        namespace: namespace.to_owned(),
        name: format!("YARA rule {identifier}"),
        severity: Severity::Medium,
        confidence: Confidence::High,
        attributes: BTreeMap::new(),
        remediation: REMEDIATION.to_owned(),
        references: Vec::new(),
        attack: Vec::new(),
        memory: true,
        files: true,
        files_only: None,
        counts: false,
        private: rule.is_private(),
    };
    let mut attack = BTreeSet::new();
    let mut scored = None;
    for (key, value) in rule.metadata() {
        let key = key.to_ascii_lowercase();
        let text = text(&value);
        if key.contains("mitre") || key.contains("attack") {
            attack.extend(techniques(&text));
        }
        match key.as_str() {
            "severity" => {
                if let Some(severity) = severity(&text) {
                    info.severity = severity;
                    scored = Some(severity);
                }
            }
            // A score speaks where no severity does.
            "score" if scored.is_none() => {
                info.severity = severity(&text).unwrap_or(info.severity);
            }
            "confidence" => info.confidence = confidence(&text).unwrap_or(info.confidence),
            "description" if !text.is_empty() => info.name = clip(&text, 120),
            "remediation" if !text.is_empty() => info.remediation = text,
            "scan_context" => {
                let words = text.to_ascii_lowercase();
                info.memory = !words.contains("file") || words.contains("memory");
                info.files = !words.contains("memory") || words.contains("file");
            }
            "reference" | "references" | "ref" | "url" if info.references.len() < TEXTS => {
                info.references.push(text);
            }
            _ => {}
        }
        if !KEPT_ELSEWHERE.contains(&key.as_str()) && info.attributes.len() < TEXTS {
            info.attributes.insert(format!("yara.{key}"), clip(&self::text(&value), TEXT));
        }
    }
    let tags: Vec<&str> = rule.tags().map(|tag| tag.identifier()).take(TEXTS).collect();
    if !tags.is_empty() {
        info.attributes.insert("yara.tags".to_owned(), clip(&tags.join(" "), TEXT));
    }
    info.attack = attack.into_iter().take(TEXTS).collect();
    info
}

/// Keys of a meta that reports show in a place of their own.
const KEPT_ELSEWHERE: [&str; 10] = [
    "severity",
    "score",
    "confidence",
    "description",
    "remediation",
    "scan_context",
    "reference",
    "references",
    "ref",
    "url",
];

fn text(value: &MetaValue<'_>) -> String {
    let text = match value {
        MetaValue::Integer(number) => number.to_string(),
        MetaValue::Float(number) => number.to_string(),
        MetaValue::Bool(truth) => truth.to_string(),
        MetaValue::String(text) => (*text).to_owned(),
        MetaValue::Bytes(bytes) => bytes.to_string(),
    };
    clip(text.trim(), TEXT)
}

fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A word, or a number up to 100 as in the scores of THOR and Elastic.
fn severity(text: &str) -> Option<Severity> {
    match text.to_ascii_lowercase().as_str() {
        "critical" => Some(Severity::Critical),
        "high" | "severe" => Some(Severity::High),
        "medium" | "moderate" | "warning" => Some(Severity::Medium),
        "low" => Some(Severity::Low),
        "info" | "informational" | "none" => Some(Severity::Info),
        number => match number.parse().ok()? {
            0..=19 => Some(Severity::Info),
            20..=39 => Some(Severity::Low),
            40..=69 => Some(Severity::Medium),
            70..=89 => Some(Severity::High),
            90..=100 => Some(Severity::Critical),
            _ => None::<Severity>,
        },
    }
}

fn confidence(text: &str) -> Option<Confidence> {
    match text.to_ascii_lowercase().as_str() {
        "high" | "confirmed" => Some(Confidence::High),
        "medium" => Some(Confidence::Medium),
        "low" => Some(Confidence::Low),
        _ => None,
    }
}

/// The technique ids in a text: `T1059.004`.
fn techniques(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_technique = |word: &&str| {
        let Some(number) = word.strip_prefix('T') else { return false };
        match number.split_once('.') {
            Some((number, sub)) => digits(number, 4) && digits(sub, 3),
            None => digits(number, 4),
        }
    };
    words.map(|word| word.trim_end_matches('.')).filter(is_technique).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(meta: &str) -> RuleInfo {
        let text = format!("rule r : linux miner {{ meta: {meta} condition: true }}");
        let rules = yara_x::compile(text.as_str()).unwrap();
        info(&rules.iter().next().unwrap())
    }

    #[test]
    fn severity_is_a_word_or_a_number() {
        for (meta, expected) in [
            ("severity = \"Critical\"", Severity::Critical),
            ("severity = 100", Severity::Critical),
            ("score = 75", Severity::High),
            ("score = 75 severity = \"low\"", Severity::Low),
            ("severity = \"low\" score = 75", Severity::Low),
            ("severity = \"dreadful\"", Severity::Medium),
            ("severity = -3", Severity::Medium),
            ("severity = 4711", Severity::Medium),
            ("author = \"somebody\"", Severity::Medium),
        ] {
            assert_eq!(of(meta).severity, expected, "{meta}");
        }
    }

    #[test]
    fn the_context_says_where_a_rule_runs() {
        for (context, expected) in [
            ("file", (false, true)),
            ("memory", (true, false)),
            ("file, memory", (true, true)),
            ("anywhere", (true, true)),
        ] {
            let info = of(&format!("scan_context = \"{context}\""));
            assert_eq!((info.memory, info.files), expected, "{context}");
        }
    }

    #[test]
    fn meta_goes_where_a_report_shows_it() {
        let info = of(
            "description = \"A miner\" author = \"A. Nalyst\" reference = \"https://example.org/1\" \
             mitre_attack = \"T1496, T1059.004 and T12\" id = 7 confidence = \"low\"",
        );
        assert_eq!((info.id.as_str(), info.name.as_str()), ("yara:default.r", "A miner"));
        assert_eq!(info.references, ["https://example.org/1"]);
        assert_eq!(info.attack, ["T1059.004", "T1496"]);
        assert_eq!(info.confidence, Confidence::Low);
        let expected = [
            ("yara.author", "A. Nalyst"),
            ("yara.id", "7"),
            ("yara.mitre_attack", "T1496, T1059.004 and T12"),
            ("yara.tags", "linux miner"),
        ];
        let found: Vec<(&str, &str)> =
            info.attributes.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn long_texts_are_cut() {
        let info = of(&format!("description = \"{0}\" author = \"{0}\"", "x".repeat(5000)));
        assert_eq!(info.name.chars().count(), 120);
        assert_eq!(info.attributes["yara.author"].chars().count(), TEXT);
    }
}
