//! The beginning of CRIU's log, which names its version and the machine.

/// What a log of CRIU says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DumpLog {
    /// Version of CRIU.
    pub version: Option<String>,
    /// Name of the machine that CRIU ran on.
    pub node: Option<String>,
    /// Release of its kernel.
    pub kernel: Option<String>,
    /// The runtime whose settings CRIU read.
    pub runtime: Option<String>,
}

impl DumpLog {
    /// Reads the first lines; a line looks like `(00.000143) Version: 4.2 (gitid 0)`.
    pub(super) fn of(head: &[u8]) -> Self {
        let mut log = Self::default();
        // The last line may be cut.
        let whole = head.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let lines = head.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
        for line in lines.filter_map(|line| std::str::from_utf8(line).ok()) {
            let Some((_, text)) = line.strip_prefix('(').and_then(|it| it.split_once(") ")) else {
                continue;
            };
            if let Some(version) = text.strip_prefix("Version: ") {
                log.version = first(version);
            } else if let Some(machine) = text.strip_prefix("Running on ") {
                // NODE Linux RELEASE VERSION MACHINE, as uname(2) gives them.
                if let Some((node, rest)) = machine.split_once(" Linux ") {
                    log.node = first(node);
                    log.kernel = first(rest);
                }
            } else if let Some((_, file)) = text.split_once(" /etc/criu/") {
                log.runtime = match file.trim_end() {
                    "runc.conf" => Some("runc".to_owned()),
                    "crun.conf" => Some("crun".to_owned()),
                    _ => log.runtime,
                };
            }
        }
        log
    }

    /// The same, with what `other` has and this one has not.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            version: self.version.or_else(|| other.version.clone()),
            node: self.node.or_else(|| other.node.clone()),
            kernel: self.kernel.or_else(|| other.kernel.clone()),
            runtime: self.runtime.or_else(|| other.runtime.clone()),
        }
    }
}

/// The first word; `Version: 4.2 (gitid 0)`.
fn first(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::DumpLog;

    const LOG: &str = "(00.000000) CRIU run id = 4f583414-7029-45fb-9643-49c34fa83d39
(00.000000) Would overwrite RPC settings with values from /etc/criu/crun.conf
(00.000143) Version: 4.2 (gitid 0)
(00.000151) Running on worker-2 Linux 6.12.44-generic #1 SMP PREEMPT_DYNAMIC @0 x86_64
(00.000159) File /run/criu.kdat does not exist
(00.000172) Version: 5";

    #[test]
    fn the_first_lines_name_version_machine_and_runtime() {
        let log = DumpLog::of(LOG.as_bytes());
        assert_eq!(log.version.as_deref(), Some("4.2"));
        assert_eq!(log.node.as_deref(), Some("worker-2"));
        assert_eq!(log.kernel.as_deref(), Some("6.12.44-generic"));
        assert_eq!(log.runtime.as_deref(), Some("crun"));
        assert_eq!(log.clone().or(&DumpLog::default()), log);
        assert_eq!(DumpLog::default().or(&log), log);
    }

    #[test]
    fn other_text_says_nothing() {
        for text in ["", "\n", "Version: 4.2\n", "(0) Version:\n", "(0) Running on x\n"] {
            assert_eq!(DumpLog::of(text.as_bytes()), DumpLog::default(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in "(\\([0-9.]*\\) (Version: |Running on |/etc/criu/)?.{0,9}\n?){0,5}") {
            drop((DumpLog::of(&bytes), DumpLog::of(text.as_bytes())));
        }
    }
}
