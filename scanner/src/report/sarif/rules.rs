//! The table of rules, and the weaknesses and techniques that it refers to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use serde_sarif::sarif::{
    MultiformatMessageString, PropertyBag, ReportingConfiguration, ReportingDescriptor,
    ReportingDescriptorReference, ReportingDescriptorRelationship, ToolComponent,
    ToolComponentReference,
};

use super::words::{clean, described, guid, index, pascal};
use crate::check::{Confidence, Severity};
use crate::finding::{Class, Finding};

/// The GUID by which the examples of the standard know the taxonomy.
const CWE_GUID: &str = "25f72d7e-8a92-459d-ad67-64853f788765";
/// Weaknesses by which GitLab tells a secret from a fault in code.
const SECRET_CWE: [&str; 9] = [
    "CWE-798", "CWE-259", "CWE-321", "CWE-522", "CWE-312", "CWE-319", "CWE-256", "CWE-257",
    "CWE-540",
];
/// Tags that services keep of a rule.
const TAGS: usize = 10;

/// How bad: level, rank (0 to 100; GitLab) and security severity (0 to 10; GitHub, DefectDojo).
pub(super) struct Harm {
    pub(super) level: &'static str,
    pub(super) rank: f64,
    security: &'static str,
}

/// The rank is ten times the security severity, so that all services come to the same word.
pub(super) fn harm(severity: Severity) -> Harm {
    let (level, rank, security) = match severity {
        Severity::Critical => ("error", 95.0, "9.5"),
        Severity::High => ("error", 80.0, "8.0"),
        Severity::Medium => ("warning", 55.0, "5.5"),
        Severity::Low => ("note", 20.0, "2.0"),
        Severity::Info => ("note", 5.0, "0.5"),
    };
    Harm { level, rank, security }
}

/// The rules that found something, in the order they did.
#[derive(Debug, Default)]
pub(super) struct Rules {
    all: Vec<Rule>,
    known: BTreeMap<String, usize>,
}

/// A rule: what its findings say of it.
#[derive(Debug)]
struct Rule {
    id: String,
    name: String,
    class: Class,
    severity: Severity,
    confidence: Confidence,
    remediation: String,
    references: Vec<String>,
    cwe: BTreeSet<String>,
    attack: BTreeSet<String>,
}

impl Rules {
    /// Id and index of the rule of a finding.
    pub(super) fn of(&mut self, finding: &Finding) -> (String, usize) {
        // A slash would make it a part of another rule.
        let id = clean(&finding.rule.id.replace('/', ":"), 255);
        let at = *self.known.entry(id.clone()).or_insert_with(|| {
            self.all.push(Rule::of(finding, id.clone()));
            self.all.len().saturating_sub(1)
        });
        if let Some(rule) = self.all.get_mut(at) {
            // Of one rule a value may do less harm than others; services show that of the rule.
            rule.severity = rule.severity.max(finding.severity);
            rule.confidence = rule.confidence.max(finding.confidence);
        }
        (id, at)
    }

    /// The table.
    pub(super) fn table(&self) -> impl Iterator<Item = ReportingDescriptor> {
        self.all.iter().map(Rule::descriptor)
    }

    /// The taxonomies, with what of them the rules refer to.
    pub(super) fn taxonomies(&self) -> Vec<ToolComponent> {
        let ids = |of: fn(&Rule) -> &BTreeSet<String>| self.all.iter().flat_map(of).collect();
        let both: [(Taxonomy, BTreeSet<&String>); 2] =
            [(Taxonomy::Cwe, ids(|rule| &rule.cwe)), (Taxonomy::Attack, ids(|rule| &rule.attack))];
        let used = both.into_iter().filter(|(_, ids)| !ids.is_empty());
        used.map(|(taxonomy, ids)| {
            let taxa = ids.into_iter().map(|id| ReportingDescriptor {
                help_uri: Some(taxonomy.page(id)),
                ..descriptor(id.clone())
            });
            ToolComponent {
                guid: Some(taxonomy.guid()),
                organization: Some("MITRE".to_owned()),
                is_comprehensive: Some(false),
                taxa: Some(taxa.collect()),
                ..component(taxonomy.name())
            }
        })
        .collect()
    }
}

/// What rules refer to.
#[derive(Debug, Clone, Copy)]
enum Taxonomy {
    Cwe,
    Attack,
}

impl Taxonomy {
    fn name(self) -> &'static str {
        match self {
            Self::Cwe => "CWE",
            Self::Attack => "MITRE ATT&CK",
        }
    }

    fn guid(self) -> String {
        match self {
            Self::Cwe => CWE_GUID.to_owned(),
            Self::Attack => guid(&["cryoscan", "taxonomy", self.name()]),
        }
    }

    fn page(self, id: &str) -> String {
        match self {
            Self::Cwe => {
                let number = id.trim_start_matches("CWE-");
                format!("https://cwe.mitre.org/data/definitions/{number}.html")
            }
            Self::Attack => {
                format!("https://attack.mitre.org/techniques/{}/", id.replace('.', "/"))
            }
        }
    }

    /// How a rule relates to it. By name and GUID, never by index, which would mean an extension.
    fn relationship(self, id: &str, kind: &str) -> ReportingDescriptorRelationship {
        ReportingDescriptorRelationship {
            target: ReportingDescriptorReference {
                id: Some(id.to_owned()),
                tool_component: Some(ToolComponentReference {
                    name: Some(self.name().to_owned()),
                    guid: Some(self.guid()),
                    ..ToolComponentReference::default()
                }),
                ..ReportingDescriptorReference::default()
            },
            kinds: Some(vec![kind.to_owned()]),
            description: None,
            properties: None,
        }
    }
}

/// How the driver refers to the taxonomies.
pub(super) fn references(taxonomies: &[ToolComponent]) -> Vec<ToolComponentReference> {
    let reference = |taxonomy: &ToolComponent| ToolComponentReference {
        name: Some(taxonomy.name.clone()),
        guid: taxonomy.guid.clone(),
        ..ToolComponentReference::default()
    };
    taxonomies.iter().map(reference).collect()
}

impl Rule {
    fn of(finding: &Finding, id: String) -> Self {
        // What is no id would be read as one: `CWE-` and a number, `T1552.001`.
        let is_cwe = |id: &&String| id.strip_prefix("CWE-").is_some_and(is_number);
        let is_attack =
            |id: &&String| id.strip_prefix('T').is_some_and(|rest| rest.split('.').all(is_number));
        let mut cwe: BTreeSet<String> = finding.cwe.iter().filter(is_cwe).cloned().collect();
        let is_secret = finding.class == Class::Secret;
        if is_secret && !cwe.iter().any(|id| SECRET_CWE.contains(&id.as_str())) {
            cwe.insert("CWE-522".to_owned());
        }
        let references = finding.references.iter();
        Self {
            name: clean(&finding.rule.name, 255),
            class: finding.class,
            severity: finding.severity,
            confidence: finding.confidence,
            remediation: finding.remediation.clone(),
            references: references.filter(|page| is_page(page)).cloned().collect(),
            cwe,
            attack: finding.attack.iter().filter(is_attack).cloned().collect(),
            id,
        }
    }

    fn descriptor(&self) -> ReportingDescriptor {
        let harm = harm(self.severity);
        let name = if self.name.is_empty() { &self.id } else { &self.name };
        let full = match self.class {
            Class::Secret => format!(
                "{name}: a value of this kind lies in the memory or the files of a checkpointed \
                 container, and whoever can read the checkpoint can read it."
            ),
            Class::Indicator => {
                format!("{name}: a sign of compromise in a checkpointed container.")
            }
            Class::Behaviour => {
                format!("{name}: a process of a checkpointed container does what it should not.")
            }
            Class::Yara => format!("{name}: a YARA rule holds in a checkpointed container."),
            Class::Grep => format!("{name}: a pattern that was asked for with --grep."),
        };
        let help = if self.remediation.is_empty() {
            "Look at the places that the result names.".to_owned()
        } else {
            clean(&self.remediation, 2000)
        };
        let pages = self.references.iter().map(|page| format!("\n- <{page}>"));
        let pages: String = pages.collect();
        let markdown = if pages.is_empty() { help.clone() } else { format!("{help}\n{pages}") };
        let cwe = self.cwe.iter().map(|id| Taxonomy::Cwe.relationship(id, "superset"));
        let attack = self.attack.iter().map(|id| Taxonomy::Attack.relationship(id, "relevant"));
        let relationships: Vec<_> = cwe.chain(attack).collect();
        ReportingDescriptor {
            name: Some(pascal(&self.name)),
            short_description: Some(described(clean(name, 1000))),
            full_description: Some(described(clean(&full, 1000))),
            help: Some(MultiformatMessageString {
                text: help,
                markdown: Some(markdown),
                properties: None,
            }),
            help_uri: self.references.first().cloned(),
            default_configuration: Some(ReportingConfiguration {
                level: Some(Value::from(harm.level)),
                rank: Some(harm.rank),
                ..ReportingConfiguration::default()
            }),
            relationships: Some(relationships).filter(|list| !list.is_empty()),
            properties: Some(self.properties(&harm)),
            ..descriptor(self.id.clone())
        }
    }

    fn properties(&self, harm: &Harm) -> PropertyBag {
        let class = match self.class {
            Class::Secret => "secret",
            Class::Indicator => "ioc",
            Class::Behaviour | Class::Yara => "malware",
            Class::Grep => "search",
        };
        let mut tags = vec!["security".to_owned(), class.to_owned()];
        for id in &self.cwe {
            let id = id.to_lowercase();
            tags.extend([format!("external/cwe/{id}"), id]);
        }
        tags.extend(self.attack.iter().cloned());
        tags.truncate(TAGS);
        let precision = match self.confidence {
            Confidence::Confirmed => "very-high",
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        };
        let problem = match harm.level {
            "note" => "recommendation",
            level => level,
        };
        let named = [
            ("precision", json!(precision)),
            ("problem.severity", json!(problem)),
            ("security-severity", json!(harm.security)),
        ];
        let additional_properties =
            named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        PropertyBag { tags: Some(tags), additional_properties }
    }
}

/// A descriptor of which no more than the id is known.
pub(super) fn descriptor(id: String) -> ReportingDescriptor {
    ReportingDescriptor::builder().id(id).build()
}

/// A component of which no more than the name is known.
pub(super) fn component(name: &str) -> ToolComponent {
    ToolComponent::builder().name(name).build()
}

/// The reference from a result or a notification to a descriptor.
pub(super) fn reference(id: &str, at: usize) -> ReportingDescriptorReference {
    ReportingDescriptorReference {
        id: Some(id.to_owned()),
        index: index(at),
        ..ReportingDescriptorReference::default()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it can stand as a URI as it is.
fn is_page(page: &str) -> bool {
    let marks = b"-._~:/?#@!$&'()*+,;=%";
    page.starts_with("https://")
        && page.len() <= 2048
        && page.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}
