//! The generated code is what the `.proto` files say.

use std::error::Error;
use std::path::Path;

use prost_build::Module;

const GENERATED: &str = include_str!("../src/gen/criu.rs");

fn generate(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut sources: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    sources.sort();
    let set = protox::compile(&sources, [folder])?;
    let package = Module::from_parts(["criu"]);
    let requests = set.file.into_iter().map(|file| (package.clone(), file)).collect();
    let mut modules = prost_build::Config::new().generate(requests)?;
    modules.remove(&package).ok_or_else(|| "no message in package criu".into())
}

#[test]
fn generated_code_is_fresh() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = generate(&root.join("criu"))?;
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root.join("src/gen/criu.rs"), code)?;
    } else {
        assert!(code == GENERATED, "out of date: run UPDATE=1 cargo test -p cryoscan-proto");
    }
    Ok(())
}
