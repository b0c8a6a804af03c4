//! The command with which ordinary tools show the bytes of a place.

use crate::finding::Place;

/// A command of a shell; `None` where no ordinary tool gets there.
///
/// Tars are opened by GNU tar, which finds out by itself how the outermost is compressed. A member is asked
/// for under both names that tars give it, with and without `./`.
pub(super) fn show(target: &str, place: &Place) -> Option<String> {
    if place.block_offset.is_some() || target.is_empty() {
        return None;
    }
    // A target that holds several checkpoints names the folder or archive of this one behind `!`.
    let (outer, inside) = target.split_once('!').unwrap_or((target, ""));
    let inner = place.image.as_ref().or(place.path.as_ref())?;
    let inner = match inside {
        "" => inner.clone(),
        inside if inner.starts_with(inside) => inner.clone(),
        inside => format!("{inside}!{inner}"),
    };
    let (offset, length) = (place.offset?, place.length);
    let mut parts = inner.split('!');
    let mut steps = vec![first(outer, parts.next()?)?];
    let mut before = inner.split('!').next()?;
    for part in parts {
        steps.push(next(before, part)?);
        before = part;
    }
    steps.push(format!("tail -c +{}", offset.saturating_add(1)));
    steps.push(format!("head -c {length}"));
    steps.push("xxd".to_owned());
    Some(steps.join(" | "))
}

/// Reads a member of the target itself.
fn first(target: &str, member: &str) -> Option<String> {
    if target == "-" {
        return None;
    }
    if is_archive(target) {
        return Some(format!("tar -xOf {} {}", path(target), names(member)));
    }
    let whole = format!("{}/{member}", target.trim_end_matches('/'));
    Some(format!("cat {}", path(&whole)))
}

/// Reads a member of an archive that comes from a pipe.
fn next(archive: &str, member: &str) -> Option<String> {
    // Members of packs, databases and compressed objects have names that only cryoscan gives them.
    let options = match archive.rsplit_once('.')?.1 {
        "tar" => "",
        "gz" | "tgz" | "img" => "z",
        "bz2" => "j",
        "xz" => "J",
        "zst" => "-zstd",
        _ => return None,
    };
    let option = match options {
        "-zstd" => "--zstd -xOf".to_owned(),
        short => format!("-x{short}Of"),
    };
    Some(format!("tar {option} - {}", names(member)))
}

/// Whether a target is one file; folders are read as they are.
pub(super) fn is_archive(target: &str) -> bool {
    let name = target.rsplit('/').next().unwrap_or_default();
    let endings = [".tar", ".gz", ".tgz", ".zst", ".xz", ".bz2", ".oci"];
    endings.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

/// Both names that a member may have; tar complains of the other one.
fn names(member: &str) -> String {
    format!("{} {} 2>/dev/null", quote(member), quote(&format!("./{member}")))
}

/// A path that no tool takes for an option.
fn path(text: &str) -> String {
    if text.starts_with('-') { quote(&format!("./{text}")) } else { quote(text) }
}

/// A word of a POSIX shell: names from a target are hostile.
fn quote(text: &str) -> String {
    let is_plain = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, '/' | '.' | '_' | '-' | '+' | ':')
    };
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::RegionKind;

    fn place(image: Option<&str>, path: Option<&str>) -> Place {
        let json = serde_json::json!({
            "region": RegionKind::Memory, "length": 40, "offset": 123, "image": image, "path": path,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn commands() {
        let cases = [
            (
                "x.tar",
                place(Some("checkpoint/pages-1.img"), None),
                "tar -xOf x.tar checkpoint/pages-1.img ./checkpoint/pages-1.img 2>/dev/null",
            ),
            ("dir/", place(Some("pages-1.img"), None), "cat dir/pages-1.img"),
            (
                "-x.tar.gz",
                place(None, Some("rootfs-diff.tar!root/my file")),
                "tar -xOf ./-x.tar.gz rootfs-diff.tar ./rootfs-diff.tar 2>/dev/null \
                 | tar -xOf - 'root/my file' './root/my file' 2>/dev/null",
            ),
            (
                "dir",
                place(None, Some("a.tar.zst!it's")),
                r"cat dir/a.tar.zst | tar --zstd -xOf - 'it'\''s' './it'\''s' 2>/dev/null",
            ),
            (
                "pod.tar!one.tar",
                place(Some("checkpoint/pages-1.img"), None),
                "tar -xOf pod.tar one.tar ./one.tar 2>/dev/null \
                 | tar -xOf - checkpoint/pages-1.img ./checkpoint/pages-1.img 2>/dev/null",
            ),
        ];
        for (target, place, expected) in cases {
            let expected = format!("{expected} | tail -c +124 | head -c 40 | xxd");
            assert_eq!(show(target, &place), Some(expected), "{target}");
        }
    }

    #[test]
    fn where_no_tool_gets_there_is_none() {
        assert_eq!(show("-", &place(Some("pages-1.img"), None)), None);
        assert_eq!(show("x.tar", &place(None, Some("a.pack!blob@4711"))), None);
        assert_eq!(show("", &place(Some("pages-1.img"), None)), None);
        assert_eq!(show("x.tar", &place(None, None)), None);
        let compressed = Place { block_offset: Some(7), ..place(Some("pages-1.img"), None) };
        assert_eq!(show("x.tar", &compressed), None);
    }
}
