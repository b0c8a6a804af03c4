//! Completions and manual pages.

use std::fs;
use std::path::Path;

use super::{cryoscan, folder, stderr, stdout};

/// Every command that users see, with the options of its help page.
fn commands() -> Vec<(Vec<&'static str>, Vec<String>)> {
    let paths: [&[&str]; 10] = [
        &[],
        &["scan"],
        &["inspect"],
        &["gate"],
        &["rules"],
        &["rules", "list"],
        &["rules", "show"],
        &["config"],
        &["completions"],
        &["man"],
    ];
    let with_options = |path: &&[&'static str]| {
        let help = stdout(&cryoscan(&[*path, &["--help"]].concat()));
        let options = help.lines().filter_map(|line| {
            let line = line.trim_start();
            let long = line.starts_with("--") || (line.starts_with('-') && line.contains(", --"));
            let (_, name) = line.split_once("--").filter(|_| long)?;
            let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
            Some(format!("--{name}"))
        });
        (path.to_vec(), options.collect())
    };
    paths.iter().map(with_options).collect()
}

#[test]
fn every_shell_has_completions() {
    let scan = commands().remove(1).1;
    assert!(scan.len() > 15, "{scan:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = cryoscan(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for option in &scan {
            // Fish writes names without dashes.
            let name = option.trim_start_matches('-');
            assert!(stdout(&output).contains(name), "{shell}: {option}");
        }
    }
}

#[test]
#[cfg(unix)]
fn bash_completes_options_and_their_values() {
    let folder = folder("completions");
    let script = folder.join("cryoscan.bash");
    fs::write(&script, &cryoscan(&["completions", "bash"]).stdout).unwrap();
    let places = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"];
    let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
        // Nothing here could read it.
        return;
    };
    let bash = |args: &[&str]| {
        std::process::Command::new(program).args(args).arg(&script).output().unwrap()
    };
    let checked = bash(&["-n"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let program = format!(
            "source \"$0\"; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _cryoscan cryoscan \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
             echo \"${{COMPREPLY[@]}}\""
        );
        stdout(&bash(&["--norc", "-c", &program])).trim().to_owned()
    };
    assert_eq!(complete("cryoscan gate --fai"), "--fail-on");
    assert_eq!(complete("cryoscan insp"), "inspect");
    assert_eq!(complete("cryoscan rules sh"), "show");
    assert_eq!(complete("cryoscan scan --color n"), "never");
}

#[test]
fn the_manual_has_every_command_and_option() {
    let folder = folder("man");
    let pages = folder.join("man1");
    let output = cryoscan(&["man", pages.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    for (path, options) in commands() {
        let name = [&["cryoscan"][..], path.as_slice()].concat().join("-");
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH "), "{name}: {page}");
        assert!(options.len() > 4, "{name}: {options:?}");
        for option in options {
            let written = option.replace('-', "\\-");
            assert!(page.contains(&written), "{name}: {option} is not in {page}");
            let variable = option.trim_start_matches('-').replace('-', "_").to_uppercase();
            let variable = format!("_{variable}\\fR environment variable");
            let asks = ["--help", "--version"].contains(&option.as_str());
            assert!(asks || page.contains(&variable), "{name}: {option} has no {variable}: {page}");
        }
        if path.is_empty() {
            assert_eq!(stdout(&cryoscan(&["man"])), page);
        }
    }
    let hidden = fs::read_dir(&pages).unwrap().filter(|page| {
        page.as_ref().unwrap().file_name().to_str().is_some_and(|name| name.contains("dev"))
    });
    assert_eq!(hidden.count(), 0, "what is hidden has no page");
}
