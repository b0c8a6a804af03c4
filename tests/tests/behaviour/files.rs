//! Values in files that hold other files: archives in archives, compressed logs, databases, packs of
//! git, keystores. Each is found with its whole path and its line, however the checkpoint comes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot run fails")]

use std::io::{Read, Write as _};

use cryoscan::scan::Settings;
use cryoscan_tests::builder::Archive;
use cryoscan_tests::git::{self, Pack};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples;
use cryoscan_tests::scanned::{Scanned, checked, revealing, scan_bytes, scan_pipe};
use cryoscan_tests::sqlite::Database;
use cryoscan_tests::{keystores, values};
use serde_json::Value;
use zip::write::{SimpleFileOptions, ZipWriter};

fn token(seed: u64) -> String {
    values::npm_token(&mut Random::new(seed))
}

/// A text with a value in its third line, behind seven characters.
fn properties(value: &str) -> Vec<u8> {
    format!("# settings\nurl=jdbc:h2:mem\n\ttoken={value}\nlast=1\n").into_bytes()
}

/// A zip of deflated members, with their sizes in front or (as from a pipe) behind each.
fn zip_of(members: &[(&str, &[u8])], streamed: bool) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    if streamed {
        let mut zip = ZipWriter::new_stream(Vec::new());
        for (name, bytes) in members {
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        return zip.finish().unwrap().into_inner();
    }
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn bzip2_of(bytes: &[u8]) -> Vec<u8> {
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    bzip2.finish().unwrap()
}

fn xz_of(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(bytes).unwrap();
    xz.finish().unwrap()
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn archive(files: &[(&str, &[u8])]) -> Archive {
    samples::small().archive.rootfs_diff(files, false)
}

/// Scans a checkpoint with this file as a file, compressed and from a pipe.
fn each_way(name: &str, file: &[u8], mut check: impl FnMut(&str, &Scanned)) {
    let archive = archive(&[(name, file)]);
    check("tar", &checked(&archive.tar()));
    check("zstd", &checked(&archive.zstd()));
    let small = Settings { threads: 4, window: 64 << 10, ..revealing() };
    check("pipe", &scan_pipe(&archive.tar(), &small));
}

/// The only place of a value in a file.
fn place<'s>(how: &str, scanned: &'s Scanned, value: &str) -> &'s Value {
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new(), "{how}");
    let places = part.places(value.as_bytes());
    let [place] = places else { panic!("{how}: {places:?} in {:?}", scanned.lines) };
    place
}

#[test]
fn archives_in_archives_give_the_path_and_the_line() {
    let value = token(1);
    for streamed in [false, true] {
        let jar = zip_of(
            &[("META-INF/MANIFEST.MF", b"a: b\n"), ("d.properties", &properties(&value))],
            streamed,
        );
        let war = zip_of(&[("index.jsp", b"<html>"), ("WEB-INF/lib/x.jar", &jar)], streamed);
        each_way("srv/app.war", &war, |how, scanned| {
            let place = place(how, scanned, &value);
            let path = "rootfs-diff.tar!srv/app.war!WEB-INF/lib/x.jar!d.properties";
            assert_eq!(place["path"], path, "{how}");
            assert_eq!((&place["line"], &place["column"]), (&3.into(), &8.into()), "{how}");
            assert!(scanned.outcome.complete, "{how}: {:?}", scanned.lines);
        });
    }
}

#[test]
fn compressed_logs_are_read_to_their_last_stream() {
    for pack in [bzip2_of, xz_of, gzip_of] {
        let value = token(2);
        let log = [pack(b"first\n"), pack(&properties(&value))].concat();
        each_way("var/log/app.log.1", &log, |how, scanned| {
            let place = place(how, scanned, &value);
            assert_eq!(place["path"], "rootfs-diff.tar!var/log/app.log.1", "{how}");
            assert_eq!((&place["line"], &place["column"]), (&4.into(), &8.into()), "{how}");
            assert!(scanned.outcome.complete, "{how}");
        });
    }
}

#[test]
fn a_value_across_the_pages_of_a_database_is_found_in_its_row() {
    let value = token(3);
    // The first overflow page holds 1020 bytes; the value lies over its end.
    let (_, here) = Database::local(1024, 3000);
    let mut text = vec![b'.'; 3000];
    let at = here + 1020 - 20;
    text[at..at + value.len()].copy_from_slice(value.as_bytes());
    let rows = [(1, b"short".to_vec()), (77, text)];
    let database = Database::new(1024).table("session", &rows).bytes();
    assert!(!database.windows(value.len()).any(|window| window == value.as_bytes()));
    each_way("data/app.db", &database, |how, scanned| {
        let place = place(how, scanned, &value);
        assert_eq!(place["path"], "rootfs-diff.tar!data/app.db!session/77", "{how}");
        assert!(scanned.outcome.complete, "{how}");
    });
}

#[test]
fn a_value_within_a_page_of_a_database_is_found_in_the_file() {
    // In a row of a table that was dropped.
    let value = token(4);
    let database = Database::new(1024).table("t", &[]).dropped(&[(1, value.clone().into_bytes())]);
    each_way("data/app.db", &database.bytes(), |how, scanned| {
        assert_eq!(place(how, scanned, &value)["path"], "rootfs-diff.tar!data/app.db", "{how}");
    });
}

#[test]
fn an_object_of_git_is_found_whole_and_as_a_delta() {
    let (kept, changed, loose) = (token(5), token(6), token(7));
    let base = [Random::new(1).text(b"abc\n", 2000).into_bytes(), properties(&kept)].concat();
    // The second version splits the value over what is copied and what is new.
    let (head, tail) = changed.split_at(20);
    let first = [b"x\n", head.as_bytes(), &base].concat();
    let next = [b"x\n", head.as_bytes(), tail.as_bytes(), b"\n", &base].concat();
    let mut pack = Pack::default();
    pack.blob(b"another object");
    let at = pack.blob(&first);
    let delta = pack.ofs_delta(at, &git::delta(&first, &next));
    let folder = "app/.git/objects";
    each_way(&format!("{folder}/pack/pack-1.pack"), &pack.bytes(), |how, scanned| {
        let part = scanned.whole();
        let paths: Vec<_> =
            part.places(kept.as_bytes()).iter().map(|place| place["path"].clone()).collect();
        let path = |at| format!("rootfs-diff.tar!{folder}/pack/pack-1.pack!blob@{at}");
        assert_eq!(paths, [path(at), path(delta)], "{how}");
        let place = place(how, scanned, &changed);
        assert_eq!(place["path"], path(delta), "{how}");
        assert_eq!((&place["line"], &place["column"]), (&2.into(), &1.into()), "{how}");
    });
    let object = git::loose("blob", &properties(&loose));
    each_way(&format!("{folder}/ab/cdef"), &object, |how, scanned| {
        let place = place(how, scanned, &loose);
        assert_eq!(place["path"], format!("rootfs-diff.tar!{folder}/ab/cdef!blob"), "{how}");
        assert_eq!((&place["line"], &place["column"]), (&3.into(), &8.into()), "{how}");
    });
}

#[test]
fn files_of_keys_are_findings_of_all_their_bytes() {
    let mut random = Random::new(8);
    for (rule, store) in [
        ("java-keystore", keystores::jks(true, &mut random)),
        ("pkcs12", keystores::pkcs12(true, &mut random)),
        ("kerberos-keytab", keystores::keytab(true, &mut random)),
    ] {
        let jar = zip_of(&[("keys", &store)], false);
        each_way("etc/app.jar", &jar, |how, scanned| {
            let part = scanned.whole();
            let finding = part
                .finding(&store)
                .unwrap_or_else(|| panic!("{how}: no {rule} in {:?}", scanned.lines));
            assert_eq!(finding["rule"]["id"], rule, "{how}");
            let place = &finding["places"][0];
            assert_eq!(place["path"], "rootfs-diff.tar!etc/app.jar!keys", "{how}");
            assert_eq!((&place["offset"], &place["length"]), (&0.into(), &store.len().into()));
        });
    }
}

#[test]
fn bombs_of_every_format_end_at_the_ratio_and_cost_nothing_else() {
    let zeros = vec![0; 16 << 20];
    let value = token(9);
    let mut settings = revealing();
    settings.limits.expansion_floor = 1 << 20;
    settings.limits.expansion_ratio = 100;
    let zip = zip_of(&[("a", &zeros), ("b", &zeros), ("c", value.as_bytes())], false);
    for (name, bomb) in [
        ("bzip2", bzip2_of(&zeros)),
        ("xz", xz_of(&zeros)),
        ("gzip", gzip_of(&zeros)),
        ("zip", zip),
        ("git", git::loose("blob", &zeros)),
    ] {
        let archive = archive(&[("bomb", &bomb), ("npmrc", value.as_bytes())]);
        let scanned = scan_bytes(&archive.tar(), &settings);
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new(), "{name}");
        assert!(part.notes("limit-reached").count() > 0 && !scanned.outcome.complete, "{name}");
        assert!(part.holds(&value), "{name}");
        assert!(part.of("coverage").all(|it| it["decoded"].as_u64() < Some(8 << 20)), "{name}");
        if name == "zip" {
            assert_eq!(part.places(value.as_bytes()).len(), 2, "behind the bombs too");
        }
    }
}

#[test]
fn sixty_four_compressions_of_compressions_end_at_the_limit() {
    let mut file = token(10).into_bytes();
    for depth in 0..64 {
        file = match depth % 4 {
            0 => gzip_of(&file),
            1 => bzip2_of(&file),
            2 => xz_of(&file),
            _ => zip_of(&[("down", &file)], true),
        };
    }
    let value = token(11);
    let scanned = checked(&archive(&[("deep", &file), ("npmrc", value.as_bytes())]).tar());
    let part = scanned.whole();
    assert_eq!(part.notes("limit-reached").count(), 1);
    assert!(part.holds(&value) && !scanned.outcome.complete);
}

/// A tar that is never there whole: the checkpoint, then so many members of one byte.
struct Members {
    head: Vec<u8>,
    left: u32,
    /// Whether each lies in a folder of its own.
    in_folders: bool,
    block: Vec<u8>,
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() {
            if !self.head.is_empty() {
                self.block = std::mem::take(&mut self.head);
            } else if self.left > 0 {
                self.left -= 1;
                let mut header = tar::Header::new_ustar();
                let folder = if self.in_folders { "/x" } else { "" };
                header.set_path(format!("{:07}{folder}", self.left))?;
                header.set_size(1);
                header.set_cksum();
                self.block = [header.as_bytes(), &[b'x'; 1][..], &[0; 511]].concat();
            }
        }
        let len = self.block.len().min(out.len());
        out[..len].copy_from_slice(&self.block[..len]);
        self.block.drain(..len);
        Ok(len)
    }
}

#[test]
fn more_members_than_the_limit_are_told_and_what_came_before_is_scanned() {
    let value = token(12);
    let mut head = archive(&[("npmrc", value.as_bytes())]).tar();
    // Without the end mark.
    while head.ends_with(&[0; 512]) {
        head.truncate(head.len() - 512);
    }
    let mut settings = revealing();
    settings.limits.members = 20_000;
    let mut stream = Members { head, left: 1_000_000, in_folders: false, block: Vec::new() };
    let lines = lines_of(&mut stream, &settings);
    assert!(lines.iter().any(|line| line.contains("members of the target")));
    assert!(lines.iter().any(|line| line.contains(&value)));
    assert!(stream.left > 900_000, "left as soon as the limit is reached: {}", stream.left);
}

fn lines_of(stream: &mut Members, settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let targets = [cryoscan::scan::Target::Stdin];
    let progress = cryoscan::scan::Progress::default();
    cryoscan::scan::scan_from(&targets, settings, &progress, stream, &mut |record| {
        lines.push(serde_json::to_string(&record)?);
        Ok(())
    })
    .unwrap();
    lines
}

#[test]
fn the_ledger_holds_with_more_folders_than_have_one_of_their_own() {
    let mut head = archive(&[]).tar();
    while head.ends_with(&[0; 512]) {
        head.truncate(head.len() - 512);
    }
    let mut stream = Members { head, left: 70_000, in_folders: true, block: Vec::new() };
    let lines = lines_of(&mut stream, &revealing());
    let of = |kind: &str| lines.iter().find(|line| line.contains(kind)).unwrap();
    assert!(!lines.iter().any(|line| line.contains("ledger-imbalance")));
    let coverage: Value = serde_json::from_str(of(r#""type":"coverage""#)).unwrap();
    let skipped = coverage["skipped"].as_object().unwrap().values();
    let skipped: u64 = skipped.map(|bytes| bytes.as_u64().unwrap()).sum();
    let scanned = coverage["scanned"].as_u64().unwrap();
    assert!(scanned >= 70_000);
    assert_eq!(coverage["total"].as_u64().unwrap(), scanned + skipped);
}

#[test]
fn names_and_kinds_that_lead_out_of_the_archive_are_labels_only() {
    let (up, root) = (token(13), token(14));
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, target, body) in [
        ("../../../etc/npmrc", tar::EntryType::Regular, "", up.as_str()),
        ("/root/.npmrc", tar::EntryType::Regular, "", root.as_str()),
        ("link", tar::EntryType::Symlink, "/etc/passwd", ""),
        ("hard", tar::EntryType::Link, "../../etc/shadow", ""),
        ("fifo", tar::EntryType::Fifo, "", ""),
        ("disk", tar::EntryType::Block, "", ""),
        ("tty", tar::EntryType::Char, "", ""),
        ("socket", tar::EntryType::new(b's'), "", ""),
    ] {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body.as_bytes()).unwrap();
    }
    let archive = samples::small().archive.member("rootfs-diff.tar", tar.into_inner().unwrap());
    let scanned = checked(&archive.tar());
    for (value, path) in [(&up, "etc/npmrc"), (&root, "root/.npmrc")] {
        let path = format!("rootfs-diff.tar!{path}");
        assert_eq!(place("tar", &scanned, value)["path"], path);
    }
    assert!(scanned.outcome.complete, "{:?}", scanned.lines);
}
