//! One file a target.

pub(crate) mod archive;
pub(crate) mod checks;
pub(crate) mod images;
pub(crate) mod kernel;
pub(crate) mod members;
pub(crate) mod memory;
pub(crate) mod metadata;
pub(crate) mod reports;
pub(crate) mod rules;
pub(crate) mod text;
pub(crate) mod windows;

use cryoscan::rule::RuleSet;
use cryoscan_tests::generate::generate;

/// The inputs that a target starts from.
///
/// # Panics
/// When there is no such target.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    (crate::target(name).expect("a target").seeds)()
}

/// An example of each built-in rule: the rule's id, the text, and where in it the value is.
fn examples() -> Vec<(String, String, std::ops::Range<usize>)> {
    let all = RuleSet::examples(cryoscan_rules::SECRETS).expect("the built-in rules parse");
    let mut made = Vec::new();
    for (id, examples, counterexamples) in all {
        for example in examples.iter().chain(&counterexamples) {
            if let Ok(it) = generate(&id, &example.r#gen, example.value.as_deref(), 1) {
                let at = it.offset();
                made.push((id.clone(), it.text.clone(), at..at + it.value.len()));
            }
        }
    }
    made
}
