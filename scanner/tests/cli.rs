//! What a user of the program sees: help pages, exit codes, files.
#![expect(clippy::disallowed_methods, reason = "reads its own fixtures")]
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

#[path = "cli/cache.rs"]
mod cache;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/gate.rs"]
mod gate;
#[path = "cli/ioc.rs"]
mod ioc;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/stats.rs"]
mod stats;
#[path = "cli/user_rules.rs"]
mod user_rules;

fn cryoscan(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// The program without the environment of whoever runs the tests.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cryoscan"));
    command.args(args).env_clear().env("COLUMNS", "100").stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Compares with a file of `tests/ui`; `UPDATE_UI=1` writes it.
fn assert_page(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(name);
    if env::var_os("UPDATE_UI").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "{name} is not up to date (UPDATE_UI=1 writes it):\n{found}");
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn help_pages() {
    let pages: [(&str, &[&str]); 15] = [
        ("cryoscan-short.txt", &["-h"]),
        ("cryoscan.txt", &["--help"]),
        ("scan.txt", &["scan", "--help"]),
        ("inspect.txt", &["inspect", "--help"]),
        ("explain.txt", &["explain", "--help"]),
        ("gate.txt", &["gate", "--help"]),
        ("rules.txt", &["rules", "--help"]),
        ("rules-list.txt", &["rules", "list", "--help"]),
        ("rules-show.txt", &["rules", "show", "--help"]),
        ("rules-check.txt", &["rules", "check", "--help"]),
        ("rules-test.txt", &["rules", "test", "--help"]),
        ("rules-stats.txt", &["rules", "stats", "--help"]),
        ("config.txt", &["config", "--help"]),
        ("completions.txt", &["completions", "--help"]),
        ("man.txt", &["man", "--help"]),
    ];
    for (name, args) in pages {
        let output = cryoscan(args);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_page(name, &stdout(&output));
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let cases: [&[&str]; 22] = [
        &[],
        &["scan"],
        &["inspect"],
        &["inspect", "x.tar", "--format", "xml"],
        &["inspect", "x.tar", "--pid", "init"],
        &["x.tar", "--no-such-option"],
        &["x.tar", "--format", "xml"],
        &["x.tar", "--fail-on", "severe"],
        &["x.tar", "--fail-on", "high:sure"],
        &["x.tar", "--memory", "lots"],
        &["x.tar", "--threads", "0"],
        &["x.tar", "--output", "report.jsonl"],
        &["x.tar", "--findings-exit-code", "256"],
        &["-q"],
        &["gate"],
        &["explain"],
        &["explain", "c1-0001"],
        &["gate", "x.jsonl", "--grep", "x"],
        &["rules"],
        &["rules", "show"],
        &["rules", "stats"],
        &["completions", "cmd"],
    ];
    for args in cases {
        let output = cryoscan(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn usage_errors_come_from_the_environment_too() {
    let output = command(&["x.tar"]).env("CRYOSCAN_FAIL_ON", "severe").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--fail-on"), "{}", stderr(&output));
}

#[test]
fn a_bare_path_is_scan() {
    let target = folder("bare").join("missing.tar");
    let target = target.to_str().unwrap();
    let bare = cryoscan(&[target, "--format=jsonl", "--no-measured"]);
    let named = cryoscan(&["scan", target, "--format=jsonl", "--no-measured"]);
    assert_eq!(bare.status.code(), Some(2));
    assert_eq!(stdout(&bare), stdout(&named));
    assert_eq!(stderr(&bare), stderr(&named));
    // Whatever stands before, and wherever.
    for args in [
        &["--color", "never", "-q", "scan", target, "--format=jsonl", "--no-measured"][..],
        &["--color=never", target, "--format=jsonl", "--no-measured", "-q"],
        &["scan", target, "--format=jsonl", "--no-measured", "-q", "--color", "never"],
    ] {
        assert_eq!(stdout(&cryoscan(args)), stdout(&named), "{args:?}");
    }
}

#[test]
fn a_file_with_the_name_of_a_command_can_be_scanned() {
    let folder = folder("named");
    fs::copy(fixture("docker"), folder.join("inspect")).unwrap();
    let scan = |args: &[&str]| {
        let args = [args, &["-f", "jsonl", "--no-measured"]].concat();
        let output = command(&args).current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert!(stdout(&output).contains(r#"{"type":"finding""#), "{args:?}");
        stdout(&output).replace("./inspect", "inspect")
    };
    let expected = scan(&["scan", "inspect"]);
    assert_eq!(scan(&["./inspect"]), expected);
    assert_eq!(scan(&["-q", "./inspect"]), expected);
}

#[test]
fn a_target_that_cannot_be_read_is_in_the_report_and_on_standard_error() {
    let target = folder("missing").join("missing.tar");
    let output = cryoscan(&[target.to_str().unwrap(), "-f", "jsonl"]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let schema = include_str!("../../docs/generated/report.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    assert!(lines.iter().all(|line| schema.is_valid(line)), "{lines:?}");
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["run", "diagnostic", "summary"]);
    assert_eq!(lines[1]["code"], "target-failed");
    assert_eq!(lines[2]["exit"], 2);
    assert_eq!(lines[2]["complete"], false);
    assert!(stderr(&output).starts_with("cryoscan: "), "{}", stderr(&output));
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let output = cryoscan(&["\u{1b}[2Jmissing\r.tar", "--color=always"]);
    let text = stdout(&output) + &stderr(&output);
    assert!(!text.contains("\u{1b}[2J") && !text.contains('\r'), "{text:?}");
    assert!(text.contains("\\x1b[2Jmissing\\x0d.tar"), "{text:?}");
}

#[test]
fn files_get_the_same_report_and_only_their_owner_reads_them() {
    let folder = folder("files");
    let (page, lines) = (folder.join("page.txt"), folder.join("lines.jsonl"));
    let outputs = [("text", &page), ("jsonl", &lines)];
    let outputs = outputs.map(|(format, path)| format!("{format}={}", path.display()));
    let [page_arg, lines_arg] = &outputs;
    fs::write(&page, "an older report").unwrap();
    let output = cryoscan(&["missing.tar", "--no-measured", "-o", page_arg, "-o", lines_arg]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&page).unwrap(), stdout(&output));
    let again = cryoscan(&["missing.tar", "--no-measured", "-f", "jsonl"]);
    assert_eq!(fs::read_to_string(&lines).unwrap(), stdout(&again));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing temporary is left");
    #[cfg(unix)]
    for path in [&page, &lines] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_output_that_cannot_be_written_exits_with_2() {
    let folder = folder("unwritable");
    let inside = folder.join("none").join("report.txt");
    let twice = format!("text={}", folder.join("twice.txt").display());
    let cases: [&[&str]; 3] = [
        &["missing.tar", "-o", &format!("text={}", inside.display())],
        &["missing.tar", "-o", &format!("text={}", folder.display())],
        &["missing.tar", "-o", &twice, "-o", &twice],
    ];
    for args in cases {
        let output = cryoscan(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}: nothing is scanned");
        assert!(stderr(&output).contains(folder.to_str().unwrap()), "{}", stderr(&output));
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    let path = folder("key").join("key");
    fs::write(&path, "short\n").unwrap();
    let output = cryoscan(&["missing.tar", "--fingerprint-key", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("found 5"), "{}", stderr(&output));
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_is_no_error() {
    let real = fixture("docker");
    let cases: [&[&str]; 10] = [
        &["missing.tar", "-f", "jsonl"],
        &["missing.tar", "-f", "text"],
        &["rules", "list"],
        &["rules", "list", "-f", "json"],
        &["config"],
        &["completions", "zsh"],
        &["man"],
        &["inspect", &real],
        &["inspect", &real, "-f", "json"],
        &["--help"],
    ];
    for args in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_does_not_cost_the_files() {
    let path = folder("pager").join("report.jsonl");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let file = format!("jsonl={}", path.display());
    let mut command = command(&["missing.tar", "-f", "jsonl", "-o", &file]);
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(2));
    assert!(fs::read_to_string(&path).unwrap().contains("\"summary\""));
}

/// A real checkpoint of this repository.
fn fixture(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    fixtures.join(name).join("checkpoint.tar.zst").to_str().unwrap().to_owned()
}

#[test]
fn inspect_shows_a_page_or_an_object() {
    let target = fixture("tree");
    let page = cryoscan(&["inspect", &target]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    assert!(stdout(&page).starts_with("podman checkpoint of ck-tree\n"), "{}", stdout(&page));
    let parts =
        ["Sockets", "Mounts", "Privileges of", "Open files of", "Environment of", "Memory of"];
    for part in parts {
        assert!(!stdout(&page).contains(part), "{part}");
    }
    for [option, part] in [
        ["--sockets", "Sockets"],
        ["--mounts", "Mounts"],
        ["--caps", "Privileges of"],
        ["--files", "Open files of"],
        ["--environ", "Environment of"],
        ["--maps", "Memory of"],
    ] {
        let one = stdout(&cryoscan(&["inspect", &target, option, "--process=ipc"]));
        let shown = parts.iter().filter(|part| one.contains(*part));
        assert_eq!(shown.collect::<Vec<_>>(), [&part], "{option}");
    }
    for option in ["-a", "--all", "-v"] {
        let all = stdout(&cryoscan(&["inspect", &target, option, "--process", "ipc"]));
        assert!(parts.iter().all(|part| all.contains(part)), "{option}: {all}");
    }
    let more = cryoscan(&["inspect", &target, "--maps", "--environ", "--pid=20"]);
    assert!(stdout(&more).contains("Environment of backup (20)"), "{}", stdout(&more));
    assert!(stdout(&more).contains("Memory of backup (20)"), "{}", stdout(&more));
    assert!(!stdout(&more).contains("kdevtmpfsi"), "{}", stdout(&more));
    let object = cryoscan(&["inspect", &target, "-f", "json", "--pid", "16,20"]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&object)).unwrap();
    assert_eq!(object["schema"], "cryoscan-inspect/1");
    assert_eq!(object["checkpoints"][0]["processes"][1]["pid"], 20);
    assert_eq!(object["checkpoints"][0]["processes"].as_array().unwrap().len(), 2);
}

/// A page or an object of what is there, and 3 for what is not.
#[test]
fn inspect_says_what_could_not_be_read() {
    let folder = folder("inspect-cut");
    let path = folder.join("checkpoint/inventory.img");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"\x16\x31\x31\x58\x02\0\0\0\x08\x02").unwrap();
    fs::write(path.with_file_name("pstree.img"), b"\x19\x43\x56\x54\x30\x30\x27\x50\x08").unwrap();
    let target = folder.to_str().unwrap();
    let page = cryoscan(&["inspect", target]);
    assert_eq!(page.status.code(), Some(3), "{}", stderr(&page));
    assert!(stdout(&page).contains("image-truncated: checkpoint/pstree.img"), "{}", stdout(&page));
    let object = cryoscan(&["inspect", target, "-f", "json"]);
    assert_eq!(object.status.code(), Some(3));
    let object: serde_json::Value = serde_json::from_str(&stdout(&object)).unwrap();
    assert_eq!(object["diagnostics"][0]["member"], "checkpoint/pstree.img");
    assert_eq!(object["diagnostics"][0]["level"], "error");
    let allowed = cryoscan(&["inspect", target, "--allow-incomplete"]);
    assert_eq!((allowed.status.code(), stdout(&allowed)), (Some(0), stdout(&page)));
}

#[test]
fn inspect_says_in_a_line_what_it_cannot_show() {
    let folder = folder("inspect");
    let (text, missing) = (folder.join("notes.txt"), folder.join("none.tar"));
    fs::write(&text, "no checkpoint").unwrap();
    let [text, missing] = [&text, &missing].map(|path| path.to_str().unwrap());
    let real = fixture("docker");
    let cases: [(&[&str], &str); 5] = [
        (&[&real, "--process", "nobody"], "no process has the name nobody"),
        (&[text], "not a checkpoint"),
        (&[missing], "none.tar"),
        (&[&real, "--pid", "99"], "no process has pid 99"),
        (&["\u{1b}[2Jmissing\r.tar"], r"\x1b[2Jmissing\x0d.tar"),
    ];
    for (args, expected) in cases {
        for format in ["text", "json"] {
            let output = cryoscan(&[&["inspect", "-f", format], args].concat());
            assert_eq!(output.status.code(), Some(2), "{args:?}");
            assert!(output.stdout.is_empty(), "{args:?}");
            assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
            assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        }
    }
}
