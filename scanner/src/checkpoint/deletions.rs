//! What containers have removed of their images, as layers say it: by empty files, *whiteouts* (OCI
//! image specification, "Representing Changes").

use std::collections::BTreeSet;

use super::member::split;

/// Bytes of the paths that are kept of one target.
const BYTES: usize = 8 << 20;

/// Path chains of the whiteouts of a target.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    whiteouts: BTreeSet<String>,
    bytes: usize,
    /// Whether there were more than are kept: those that come first in the order of paths.
    pub overflow: bool,
}

impl Deletions {
    /// Remembers a member of a layer if it is a whiteout.
    pub(super) fn see(&mut self, path: &str) {
        if !split(path).1.starts_with(".wh.") || !self.whiteouts.insert(path.to_owned()) {
            return;
        }
        self.bytes = self.bytes.saturating_add(path.len());
        while self.bytes > BYTES {
            let Some(last) = self.whiteouts.pop_last() else { break };
            self.bytes = self.bytes.saturating_sub(last.len());
            self.overflow = true;
        }
    }

    /// What the layer at that path has removed, as the container saw it: `/etc/motd`; `/var/cache/`
    /// where all was removed that the image had in a folder.
    pub(super) fn of(&self, layer: &str) -> Vec<String> {
        let layer = format!("{layer}!");
        let here = self.whiteouts.range(layer.clone()..);
        let names = here.map_while(|path| path.strip_prefix(&layer));
        names.filter(|name| !name.contains('!')).filter_map(removed).collect()
    }
}

/// The path that a whiteout of this name removes.
fn removed(name: &str) -> Option<String> {
    let (folder, name) = split(name);
    let folder = if folder.is_empty() { String::new() } else { format!("/{folder}") };
    match name.strip_prefix(".wh.")? {
        ".wh..opq" => Some(format!("{folder}/")),
        // Other names of two are aufs's own.
        name if name.starts_with(".wh.") || name.is_empty() => None,
        name => Some(format!("{folder}/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_name_what_is_gone() {
        let mut seen = Deletions::default();
        for name in [
            "etc/.wh.motd",
            "var/cache/.wh..wh..opq",
            ".wh.srv",
            ".wh..wh.plnk",
            "etc/.whisky",
            "a.tar!.wh.not-here",
        ] {
            seen.see(&format!("rootfs-diff.tar!{name}"));
        }
        seen.see("rootfs-diff.tar2!.wh.other");
        assert_eq!(seen.of("rootfs-diff.tar"), ["/srv", "/etc/motd", "/var/cache/"]);
        assert_eq!(seen.of("rootfs-diff"), Vec::<String>::new());
    }

    #[test]
    fn what_is_kept_does_not_depend_on_the_order() {
        let names: Vec<String> =
            (0..3000).map(|n| format!("d!{}/.wh.{n:04}", "x".repeat(4000 + n % 7))).collect();
        let mut kept = [Deletions::default(), Deletions::default()];
        for (name, other) in names.iter().zip(names.iter().rev()) {
            kept[0].see(name);
            kept[1].see(other);
        }
        assert!(kept[0].overflow && kept[1].overflow);
        assert_eq!(kept[0].of("d"), kept[1].of("d"));
        assert!(kept[0].of("d").len() > 1000);
    }
}
