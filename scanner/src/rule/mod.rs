//! What to look for: the rule model and the loading of rule files.

mod border;
mod example;
mod fault;
mod file;
mod import;
mod listed;
mod literals;
mod model;
mod names;
mod node;
mod opening;
mod pattern;
mod program;
mod select;
mod template;
mod terms;
mod user;

pub use example::{Piece, alphabet, pieces};
pub use fault::{Cost, Fault};
pub use file::{Example, RuleExamples, RuleFileError};
pub use model::{
    Anchor, Beside, Class, Edge, Encodings, Keyword, Keywords, Near, Neighbours, Places, Report,
    Rule, RuleId, RuleSet, View,
};
pub use names::{keeps_meaning, says_open, says_secret};
pub use opening::{Opening, is_of_word};
pub use pattern::Pattern;
pub use program::{Groups, Reach};
pub use select::UnknownSelector;
pub use terms::Terms;
pub(crate) use terms::{Answer, Seen};
pub use user::{RuleFile, RuleFilesError, UserRules};

/// The longest text a rule may match, in characters.
///
/// Which of two overlapping matches stays depends on both of them and on the text around each,
/// all of which must lie within [`crate::region::REACH`]: three times the widest match (UTF-16,
/// two bytes a character) fits into it with room to spare.
pub const MAX_MATCH: usize = 8 << 10;
