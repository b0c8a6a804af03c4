//! What the rules may ask of a file beside its bytes: the variables that public rule sets expect.

use crate::archive::name;

/// The variables, each a text; empty where nothing is known, and for memory.
pub(super) const EXTERNALS: [&str; 6] =
    ["extension", "filename", "filepath", "filetype", "md5", "owner"];

/// The value of each of [`EXTERNALS`] for a file. The MD5 is costly and made when `hashed` only;
/// archives that cryoscan reads do not name an owner by which a rule could go.
pub(super) fn of_file(path: &str, content: &[u8], hashed: bool) -> [String; EXTERNALS.len()] {
    use md5::Digest;
    // Inside its archive a file has the path that it had in the container.
    let inside = path.rsplit('!').next().unwrap_or(path).trim_start_matches("./");
    let full = format!("/{}", inside.trim_start_matches('/'));
    let file = full.rsplit('/').next().unwrap_or_default().to_owned();
    let extension = file.rfind('.').filter(|at| *at > 0).and_then(|at| file.get(at..));
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let digest = hashed.then(|| data_encoding::HEXLOWER.encode(&md5::Md5::digest(content)));
    let kind = kind(content).to_owned();
    let full = name::display(full.as_bytes());
    [extension, file, full, kind, digest.unwrap_or_default(), String::new()]
}

/// The type of a file by its first bytes, in the words of the public rule sets.
fn kind(content: &[u8]) -> &'static str {
    const KINDS: [(&[u8], &str); 13] = [
        (b"\x7fELF", "ELF"),
        (b"MZ", "EXE"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1f\x8b", "GZIP"),
        (b"\x28\xb5\x2f\xfd", "ZSTD"),
        (b"BZh", "BZIP2"),
        (b"\xfd7zXZ\x00", "XZ"),
        (b"7z\xbc\xaf\x27\x1c", "7ZIP"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"%PDF-", "PDF"),
        (b"\xca\xfe\xba\xbe", "CLASS"),
        (b"#!", "SCRIPT"),
        (b"<?php", "PHP"),
    ];
    KINDS.iter().find(|(magic, _)| content.starts_with(magic)).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_path_that_it_had_in_the_container() {
        let facts = of_file("rootfs-diff.tar!var/www/Shell.PHP", b"<?php echo 1;", true);
        assert_eq!(facts[..4], [".php", "Shell.PHP", "/var/www/Shell.PHP", "PHP"]);
        assert_eq!((facts[4].len(), facts[5].as_str()), (32, ""));
        let facts = of_file("checkpoint/.hidden", b"", true);
        // RFC 1321, A.5.
        assert_eq!(
            facts,
            ["", ".hidden", "/checkpoint/.hidden", "", "d41d8cd98f00b204e9800998ecf8427e", ""]
        );
        assert_eq!(of_file("x", b"", false)[4], "");
    }
}
