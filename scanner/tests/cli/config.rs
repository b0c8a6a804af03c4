//! `cryoscan.toml`: which one is read, and what wins over it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{assert_page, command, cryoscan, folder, stderr, stdout};

/// A file of options in a folder, and its path.
fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Whether the report on standard output is one in JSON Lines.
fn is_jsonl(output: &Output) -> bool {
    stdout(output).starts_with("{\"type\":\"run\"")
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = write(&folder("config-order"), "options.toml", "[scan]\nformat = 'jsonl'\n");
    let scan = |args: &[&str]| command(&[&["missing.tar"], args].concat());
    assert!(!is_jsonl(&run(&mut scan(&[]))));
    assert!(is_jsonl(&run(&mut scan(&["--config", &file]))));
    assert!(is_jsonl(&run(scan(&[]).env("CRYOSCAN_CONFIG", &file))));
    assert!(is_jsonl(&run(&mut command(&["--config", &file, "scan", "missing.tar"]))));
    let from_file = ["--config", &file];
    assert!(!is_jsonl(&run(scan(&from_file).env("CRYOSCAN_FORMAT", "text"))));
    assert!(!is_jsonl(&run(&mut scan(&["--config", &file, "-f", "text"]))));
    let mut all = scan(&["--config", &file, "-f", "jsonl"]);
    assert!(is_jsonl(&run(all.env("CRYOSCAN_FORMAT", "text"))));
    // A flag that the file sets is unset by the environment.
    let strict = write(&folder("config-flag"), "options.toml", "[scan]\nno-measured = true\n");
    let lines = |command: &mut Command| stdout(&run(command));
    let with = ["--config", &strict, "-f", "jsonl"];
    assert!(!lines(&mut scan(&with)).contains("measured"));
    assert!(lines(scan(&with).env("CRYOSCAN_NO_MEASURED", "false")).contains("measured"));
}

#[test]
fn the_users_file_is_read_and_none_in_the_working_folder() {
    let folder = folder("config-places");
    let wrong = "no-such-option = 1\n";
    for name in
        ["cryoscan.toml", ".cryoscan.toml", "cryoscan/cryoscan.toml", ".config/cryoscan.toml"]
    {
        write(&folder, name, wrong);
    }
    write(&folder, ".config/cryoscan/cryoscan.toml", wrong);
    let scan = |more: &[&str]| {
        let mut command = command(&[&["missing.tar"], more].concat());
        command.current_dir(&folder);
        command
    };
    // Nor by a relative name.
    for (name, value) in [("HOME", "."), ("XDG_CONFIG_HOME", "."), ("XDG_CONFIG_HOME", "")] {
        let output = run(scan(&[]).env(name, value));
        assert!(!stderr(&output).contains("no-such-option"), "{}", stderr(&output));
    }
    write(&folder, "xdg/cryoscan/cryoscan.toml", "[scan]\nformat = 'jsonl'\n");
    let xdg = folder.join("xdg");
    assert!(is_jsonl(&run(scan(&[]).env("HOME", &folder).env("XDG_CONFIG_HOME", &xdg))));
    let output = run(scan(&["-v"]).env("XDG_CONFIG_HOME", &xdg));
    assert!(stderr(&output).contains("options are read from"), "{}", stderr(&output));
    let output = run(scan(&[]).env("HOME", &folder));
    assert_eq!(output.status.code(), Some(2));
    let expected = ".config/cryoscan/cryoscan.toml:1:1: no key no-such-option at the top";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    for output in [
        run(scan(&["--no-config", "-f", "jsonl"]).env("HOME", &folder)),
        run(scan(&["-f", "jsonl"]).env("HOME", &folder).env("CRYOSCAN_NO_CONFIG", "1")),
    ] {
        assert!(is_jsonl(&output), "{}", stderr(&output));
    }
}

#[test]
fn a_file_that_is_wrong_exits_with_2_and_says_where() {
    let folder = folder("config-wrong");
    let cases = [
        ("[scan]\nfailon = 'high'", ":2:1: no key failon in [scan]; did you mean fail-on?"),
        ("[scan]\nstrict = 'yes'", ":2:10: scan.strict: expected true or false, found string"),
        ("color = \"blue\"", ":1:9: color: expected one of auto, always, never, found \"blue\""),
        (
            "[inspect]\npid = [1, 'x']",
            ":2:11: inspect.pid: invalid digit found in string, found \"x\"",
        ),
        ("[gate\n", ":1:6: "),
    ];
    for (index, (text, expected)) in cases.into_iter().enumerate() {
        let file = write(&folder, &format!("{index}.toml"), text);
        for command in [&["missing.tar"][..], &["inspect", "missing.tar"], &["rules", "list"]] {
            let output = cryoscan(&[command, &["--config", &file]].concat());
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(output.stdout.is_empty(), "{text}");
            let said = stderr(&output);
            assert!(said.starts_with(&format!("cryoscan: {file}{expected}")), "{text}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    let missing = folder.join("missing.toml");
    let large = write(&folder, "large.toml", &"#".repeat((1 << 20) + 1));
    let binary = folder.join("binary.toml");
    fs::write(&binary, b"# \xff").unwrap();
    for (path, expected) in [
        (missing.to_str().unwrap(), "No such file"),
        (folder.to_str().unwrap(), "Is a directory"),
        (&large, "expected at most 1048576 bytes"),
        (binary.to_str().unwrap(), "expected UTF-8, found other bytes at offset 2"),
    ] {
        let output = cryoscan(&["missing.tar", "--config", path]);
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(stderr(&output).contains(path), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn the_sample_is_a_file_that_changes_nothing() {
    let sample = cryoscan(&["config"]);
    assert_eq!(sample.status.code(), Some(0), "{}", stderr(&sample));
    assert_page("cryoscan.toml", &stdout(&sample));
    let file = write(&folder("config-sample"), "cryoscan.toml", &stdout(&sample));
    let args = ["missing.tar", "-f", "jsonl", "--no-measured"];
    let with = cryoscan(&[&args[..], &["--config", &file]].concat());
    assert_eq!(stdout(&with), stdout(&cryoscan(&args)));
}

#[test]
fn a_kernel_is_named_in_the_environment_and_in_what_was_measured() {
    let folder = folder("config-kernel");
    let target = folder.join("text");
    fs::write(&target, "nothing").unwrap();
    let scan = |kernel: &str| {
        let args = ["--raw", "-f", "jsonl", target.to_str().unwrap()];
        run(command(&args).env("CRYOSCAN_KERNEL", kernel))
    };
    let named = scan("scalar");
    assert_eq!(named.status.code(), Some(0), "{}", stderr(&named));
    assert!(stdout(&named).contains("\"kernel\":\"scalar\""), "{}", stdout(&named));
    for wrong in ["mmx", "", "AVX2"] {
        let refused = scan(wrong);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{wrong:?} on this processor")), "{said}");
        assert!(said.contains("scalar"), "{said}");
    }
}
