//! `cryoscan dev`: files of the repository that are made from the types.

use std::fs;

use anyhow::Context;

use super::args::DevCommand;

/// Writes the files, and gives the exit code.
pub(super) fn run(command: &DevCommand) -> anyhow::Result<u8> {
    let DevCommand::Generate { folder } = command;
    let files = [
        ("report.schema.json", crate::report::schema()?),
        ("inspect.schema.json", super::inspect::schema()?),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
        written.with_context(|| path.display().to_string())?;
    }
    Ok(0)
}
