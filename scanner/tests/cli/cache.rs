//! The file of `--cache`: what is said of one that cannot be used, and that no report depends on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{command, folder, stderr, stdout};

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tree/checkpoint.tar.zst")
}

fn scan(more: &[&str]) -> Output {
    let target = target();
    let args = ["scan", target.to_str().unwrap(), "-f", "jsonl", "--no-measured", "--no-config"];
    let output = command(&[&args, more].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    output
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many MiB a log says were not scanned again, and of how many.
fn not_scanned_again(output: &Output) -> (u64, u64) {
    let log = stderr(output);
    let said = log.lines().find(|line| line.contains("not scanned again")).unwrap();
    let mut numbers = said.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn the_second_scan_gives_the_same_and_does_less() {
    let folder = folder("cache");
    let path = folder.join("c");
    let cache = ["-v", "--cache", path.to_str().unwrap()];
    let expected = stdout(&scan(&[]));
    let first = scan(&cache);
    assert_eq!(stdout(&first), expected);
    // Its processes are forks: how many of their copies are met within one scan is for the threads to race.
    let (once, _) = not_scanned_again(&first);
    for threads in ["1", "2"] {
        let again = scan(&[&cache[..], &["--threads", threads]].concat());
        assert_eq!(stdout(&again), expected);
        let (known, all) = not_scanned_again(&again);
        assert!(once < known && known <= all, "{once}, then {known} of {all} MiB");
    }
    assert_eq!(names(&folder), ["c"], "nothing else is left there");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_cannot_be_used_is_told_and_written_anew() {
    let folder = folder("cache-damaged");
    let path = folder.join("c");
    let cache = ["--cache", path.to_str().unwrap()];
    let expected = stdout(&scan(&cache));
    let whole = fs::read(&path).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    let cases = [
        (Vec::new(), "cut short"),
        (whole[..whole.len() - 1].to_vec(), "cut short"),
        (changed(200), "its checksum does not hold"),
        (changed(15), "no cache of this version of cryoscan"),
        (changed(20), "made by another build of cryoscan, or with other rules"),
    ];
    for (bytes, why) in cases {
        fs::write(&path, bytes).unwrap();
        let output = scan(&cache);
        assert_eq!(stdout(&output), expected, "{why}");
        let log = stderr(&output);
        assert!(log.contains(why) && log.contains("ignored and written anew"), "{why}: {log}");
        let log = stderr(&scan(&cache));
        assert!(!log.contains("ignored"), "{why}: {log}");
    }
    // With other rules nothing of it holds.
    for more in [["--grep", "root"], ["--exclude-rule", "jwt"]] {
        let other = stdout(&scan(&more));
        let output = scan(&[&cache[..], &more].concat());
        assert_eq!(stdout(&output), other);
        assert!(stderr(&output).contains("with other rules"), "{}", stderr(&output));
    }
}

#[test]
fn a_file_of_something_else_is_left_as_it_is() {
    let path = folder("cache-of-something-else").join("c");
    for text in ["# notes", "a checkpoint, say, that stands in the place of another argument"] {
        fs::write(&path, text).unwrap();
        let target = target();
        let args = ["scan", target.to_str().unwrap(), "--cache", path.to_str().unwrap()];
        let output = command(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        let log = stderr(&output);
        assert!(log.contains("expected a cache of cryoscan, found something else"), "{log}");
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    }
}

#[cfg(unix)]
#[test]
fn what_others_can_write_to_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("cache-of-others");
    let path = folder.join("c");
    let cache = ["--cache", path.to_str().unwrap()];
    let expected = stdout(&scan(&cache));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    let output = scan(&cache);
    assert_eq!(stdout(&output), expected);
    assert!(stderr(&output).contains("others than this user can write to it"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_place_that_takes_no_file_is_told() {
    let folder = folder("cache-nowhere");
    let none = folder.join("no/such/folder/c");
    let output = scan(&["--cache", none.to_str().unwrap()]);
    assert!(stderr(&output).contains("the cache could not be written"), "{}", stderr(&output));
    let target = target();
    let args = ["scan", target.to_str().unwrap(), "--cache", folder.to_str().unwrap()];
    let output = command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("expected a file for the cache"), "{}", stderr(&output));
}
