//! What a file of an image set is, by its name.

use super::{IMAGES, ImageKind};

/// The number in the name of an image: a pid, thread id, namespace id or device; 0 without one.
pub type Key = u32;

/// What a file of an image set is to the scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An image that [`super::decode`] reads.
    Decoded,
    /// Memory: pages-N.img.
    Pages,
    /// Content of processes that the kernel or a device held: pipes, queues, deleted files.
    Payload,
    /// Text.
    Text,
    /// Bytes of the kernel or of a device that are not taken apart.
    Raw,
    /// A gzip tar of a tmpfs.
    Archive,
    /// An image without content of processes: timers, limits, network settings.
    Ignored,
    /// None of CRIU's names.
    Unknown,
}

/// Files that are not decoded. `%u` is a decimal number, `%x` a hexadecimal one, `%s` anything.
pub static OTHERS: &[(&str, Role)] = &[
    ("pages-%u.img", Role::Pages),
    ("pipes-data.img", Role::Payload),
    ("fifo-data.img", Role::Payload),
    ("sk-queues.img", Role::Payload),
    ("tcp-stream-%x.img", Role::Payload),
    ("ghost-file-%x.img", Role::Payload),
    ("tty-data.img", Role::Payload),
    ("ipcns-msg-%u.img", Role::Payload),
    ("ipcns-shm-%u.img", Role::Payload),
    ("bpfmap-data.img", Role::Payload),
    ("amdgpu-%s", Role::Raw),
    ("ifaddr-%u.img", Role::Raw),
    ("netns-ct-%u.img", Role::Raw),
    ("netns-exp-%u.img", Role::Raw),
    ("route-%u.img", Role::Raw),
    ("route6-%u.img", Role::Raw),
    ("rule-%u.img", Role::Raw),
    ("iptables-%u.img", Role::Text),
    ("ip6tables-%u.img", Role::Text),
    ("nftables-%u.img", Role::Text),
    ("descriptors.json", Role::Text),
    ("dump.log", Role::Text),
    ("pre-dump.log", Role::Text),
    ("restore.log", Role::Text),
    ("tmpfs-dev-%u.tar.gz.img", Role::Archive),
    ("tmpfs-%u.tar.gz.img", Role::Archive),
    ("apparmor.img", Role::Ignored),
    ("autofs-%u.img", Role::Ignored),
    ("binfmt-misc.img", Role::Ignored),
    ("binfmt-misc-%u.img", Role::Ignored),
    ("cpuinfo.img", Role::Ignored),
    ("creds-%u.img", Role::Ignored),
    ("eventpoll-tfd.img", Role::Ignored),
    ("fanotify-mark.img", Role::Ignored),
    ("filelocks.img", Role::Ignored),
    ("inotify-wd.img", Role::Ignored),
    ("ipcns-sem-%u.img", Role::Ignored),
    ("ipcns-var-%u.img", Role::Ignored),
    ("irmap-cache", Role::Ignored),
    ("itimers-%u.img", Role::Ignored),
    ("netdev-%u.img", Role::Ignored),
    ("netns-%u.img", Role::Ignored),
    ("pidns-%u.img", Role::Ignored),
    ("posix-timers-%u.img", Role::Ignored),
    ("rlimit-%u.img", Role::Ignored),
    ("seccomp.img", Role::Ignored),
    ("sigacts-%u.img", Role::Ignored),
    ("signal-p-%u.img", Role::Ignored),
    ("signal-s-%u.img", Role::Ignored),
    ("stats-restore", Role::Ignored),
    ("timens-%u.img", Role::Ignored),
    ("tty-info.img", Role::Ignored),
    ("userns-%u.img", Role::Ignored),
    ("vmas-%u.img", Role::Ignored),
];

/// The kind of image of that name, if it is one that is decoded, and the number in the name.
pub fn kind_of(file_name: &[u8]) -> Option<(&'static ImageKind, Key)> {
    IMAGES.iter().find_map(|kind| Some((kind, number(kind.pattern, file_name)?)))
}

/// What a file of that name is.
pub fn role_of(file_name: &[u8]) -> Role {
    match lookup(file_name) {
        Some((role, _)) => role,
        None => Role::Unknown,
    }
}

/// The number in the name of any of CRIU's files: the inode of a tcp-stream, the device of a tmpfs.
pub fn key_of(file_name: &[u8]) -> Option<Key> {
    lookup(file_name).map(|(_, key)| key)
}

/// Whether a file of that name holds a deleted file.
pub fn is_ghost(file_name: &[u8]) -> bool {
    number("ghost-file-%x.img", file_name).is_some()
}

/// N of pages-N.img.
pub fn pages_id(file_name: &[u8]) -> Option<u32> {
    number("pages-%u.img", file_name)
}

fn lookup(file_name: &[u8]) -> Option<(Role, Key)> {
    let others = || OTHERS.iter().find_map(|(name, role)| Some((*role, number(name, file_name)?)));
    kind_of(file_name).map(|(_, key)| (Role::Decoded, key)).or_else(others)
}

/// The number that `pattern` has in `name`. Only the spelling of CRIU counts, so that no two names
/// are the same image.
fn number(pattern: &str, name: &[u8]) -> Option<Key> {
    let Some((prefix, rest)) = pattern.split_once('%') else {
        return (name == pattern.as_bytes()).then_some(0);
    };
    let conversion = rest.chars().next()?;
    let suffix = rest.strip_prefix(conversion)?;
    let digits = name.strip_prefix(prefix.as_bytes())?.strip_suffix(suffix.as_bytes())?;
    let radix = match conversion {
        's' => return Some(0),
        'x' => 16,
        _ => 10,
    };
    let canonical = match digits {
        [] | [b'0', _, ..] => false,
        digits => digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
    };
    let digits = str::from_utf8(digits).ok().filter(|_| canonical)?;
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_numbers() {
        let cases = [
            ("inventory.img", Role::Decoded, Some(0)),
            ("core-4294967295.img", Role::Decoded, Some(u32::MAX)),
            ("pagemap-7.img", Role::Decoded, Some(7)),
            ("pagemap-shmem-7.img", Role::Decoded, Some(7)),
            ("pages-65537.img", Role::Pages, Some(65537)),
            ("tcp-stream-231d7.img", Role::Payload, Some(0x231d7)),
            ("ghost-file-10.img", Role::Payload, Some(16)),
            ("tmpfs-dev-43.tar.gz.img", Role::Archive, Some(43)),
            ("iptables-10.img", Role::Text, Some(10)),
            ("amdgpu-pages-1-2.img", Role::Raw, Some(0)),
            ("ipcns-shm-9.img", Role::Payload, Some(9)),
            ("stats-dump", Role::Decoded, Some(0)),
            ("netns-ct-10.img", Role::Raw, Some(10)),
            ("seccomp.img", Role::Ignored, Some(0)),
            ("core-4294967296.img", Role::Unknown, None), // Over 32 bits.
            ("core-.img", Role::Unknown, None),
            ("core-07.img", Role::Unknown, None), // Another spelling of core-7.img.
            ("core-+7.img", Role::Unknown, None),
            ("core-1f.img", Role::Unknown, None),
            ("tcp-stream-231D7.img", Role::Unknown, None),
            ("pages-1.comp.img", Role::Unknown, None),
            ("core-1.img.tmp", Role::Unknown, None),
            ("parent", Role::Unknown, None),
            ("", Role::Unknown, None),
        ];
        for (name, role, key) in cases {
            assert_eq!((role_of(name.as_bytes()), key_of(name.as_bytes())), (role, key), "{name}");
        }
        assert_eq!(pages_id(b"pages-3.img"), Some(3));
        assert_eq!(pages_id(b"core-3.img"), None);
    }

    #[test]
    fn no_name_has_two_meanings() {
        let patterns: Vec<&str> = IMAGES
            .iter()
            .map(|kind| kind.pattern)
            .chain(OTHERS.iter().map(|other| other.0))
            .collect();
        for name in &patterns {
            let name = name.replace("%u", "1").replace("%x", "1").replace("%s", "1");
            let hits = patterns.iter().filter(|pattern| number(pattern, name.as_bytes()).is_some());
            assert_eq!(hits.count(), 1, "{name}");
        }
    }
}
