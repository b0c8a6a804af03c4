//! The JSON Schema of a line, made from the types.

use super::Record;

/// The JSON Schema of one line of a report, as it is kept in `docs/generated/report.schema.json`.
///
/// # Errors
/// Never in practice: a schema is always valid JSON.
pub fn schema() -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(&schemars::schema_for!(Record))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_file_is_fresh() {
        let kept = include_str!("../../../docs/generated/report.schema.json");
        assert!(kept == super::schema().unwrap(), "run `cryoscan dev generate`");
    }
}
