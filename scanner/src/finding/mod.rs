//! What happens at the fold: findings, in words.

mod model;

pub use model::{
    Address, Class, Evidence, Excerpt, Finding, Indicator, Place, RuleName, Status, Vma,
};
