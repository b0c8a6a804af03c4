//! The lists of indicators of `--ioc`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;

use super::output::complain;
use crate::diagnostic::Diagnostic;
use crate::indicator::{Fault, Lists};
use crate::report::{escape, number};
use crate::scan::ChosenLists;

/// Faults that are shown before the rest is only counted.
const SHOWN: usize = 20;

/// The lists of a scan; says what is wrong with them.
pub(super) fn chosen(
    paths: &[PathBuf],
    is_lenient: bool,
) -> anyhow::Result<Option<Arc<ChosenLists>>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let lists = Lists::read(paths)?;
    if lists.wrong > 0 {
        for fault in lists.faults.iter().take(SHOWN) {
            let text = escape(&fault.to_string());
            if is_lenient {
                tracing::warn!("{text}; left out");
            } else {
                complain(&text);
            }
        }
        let shown = u64::try_from(SHOWN.min(lists.faults.len())).unwrap_or(u64::MAX);
        let more = lists.wrong.saturating_sub(shown);
        let more = if more > 0 { format!(" ({more} more are not shown)") } else { String::new() };
        let count = number(lists.wrong, "line", "lines");
        if !is_lenient {
            bail!(
                "{count} of the lists cannot be read as indicators{more}; --rules-lenient leaves such lines out"
            );
        }
        if !more.is_empty() {
            tracing::warn!("{count} of the lists left out{more}");
        }
    }
    lists.check()?;
    let mut notes: Vec<Diagnostic> = lists.faults.iter().map(Fault::diagnostic).collect();
    let unnamed = lists.wrong.saturating_sub(u64::try_from(notes.len()).unwrap_or(u64::MAX));
    if let Some(last) = notes.last_mut()
        && unnamed > 0
    {
        last.message.extend([" (and so were ", &unnamed.to_string(), " more of the lists)"]);
    }
    Ok(Some(Arc::new(ChosenLists { indicators: Arc::new(lists.indicators), notes })))
}
