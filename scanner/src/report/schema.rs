//! The JSON Schema of a line, made from the types.

use schemars::generate::SchemaSettings;

use super::Record;

/// The JSON Schema of one line of a report, as it is kept in `docs/generated/report.schema.json`.
///
/// # Errors
/// Never in practice: a schema is always valid JSON.
pub fn schema() -> serde_json::Result<String> {
    // What is written, not what could be read: keys that may be left out are not required.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Record>();
    sort(&mut schema);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// Sorts all keys by name: yara-x makes `serde_json` keep the order of insertion.
pub(crate) fn sort(schema: &mut schemars::Schema) {
    let parts = schema.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    parts.for_each(serde_json::Value::sort_all_objects);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_file_is_fresh() {
        let kept = include_str!("../../../docs/generated/report.schema.json");
        assert!(kept == super::schema().unwrap(), "run `cryoscan dev generate`");
    }
}
