//! What could not be read or decoded: data beside the findings, never instead of them.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something was not scanned: the scan is incomplete.
    Error,
    /// Something is not as it should be, yet all that a restore would use was scanned.
    Warning,
    /// Worth knowing.
    Note,
}

macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// What kind of problem: stable, kebab-case, each explained in `docs/diagnostics.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
        pub enum Code {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    BlobMissing "blob-missing" "An OCI manifest or index names a part of the checkpoint that the layout does not hold; it was not scanned.",
    ContainerMalformed "container-malformed" "An archive or compressed stream does not follow its format; what came before the fault was scanned.",
    ContainerTruncated "container-truncated" "An archive or compressed stream ends early; what it still held was scanned.",
    CoreTruncated "core-truncated" "An ELF core is shorter than its program headers say; the memory beyond its end was not scanned.",
    CoreUnmapped "core-unmapped" "An ELF core, or a part of it, has no addresses or no process (impossible or missing headers, a big-endian machine); it was scanned as plain bytes.",
    DigestMismatch "digest-mismatch" "A blob of an OCI layout is not what its digest or its manifest promises: damaged, or replaced; it was scanned all the same.",
    DuplicateMember "duplicate-member" "Two members of an archive have the same name; both were scanned, the last one is what a restore would use.",
    Encrypted "encrypted" "The image set, or a member of a zip, is encrypted; the pages or the member were skipped, the rest was scanned.",
    ImageMalformed "image-malformed" "A CRIU image does not decode from this offset on; the records before it were used.",
    ImageTruncated "image-truncated" "A CRIU image ends inside a record; the records before it were used.",
    ImageUnknown "image-unknown" "A file beside the images is no image that cryoscan knows; it was scanned as raw bytes.",
    IndicatorLeftOut "indicator-left-out" "A line of a list of indicators of the user is none; it was left out, the others were looked for.",
    Internal "internal" "A fault in cryoscan itself while it scanned a part of the target; the rest was scanned. Please report it.",
    LateMetadata "late-metadata" "Pages came from a pipe before the pagemap that explains them; they were scanned as raw bytes, without addresses, cut at every page.",
    LedgerImbalance "ledger-imbalance" "The bytes scanned and skipped do not add up to the bytes of the checkpoint; please report it.",
    LeftOut "left-out" "A file in a folder of archives was not scanned: it is no checkpoint, cannot be read, or its name says that it is not complete yet.",
    LimitReached "limit-reached" "A limit against hostile input was reached; what lay beyond it was not scanned.",
    ListHeld "list-held" "A stretch of memory or of a file holds more indicators of the user's lists than any use of them has: a list itself, as a filter has one; the first of them were counted, with low confidence.",
    MemberUnreadable "member-unreadable" "A file or folder of the target could not be read.",
    MetadataMalformed "metadata-malformed" "A metadata file is not the JSON it should be; it was scanned as text.",
    PagemapInconsistent "pagemap-inconsistent" "An entry of a pagemap is impossible (overlap, overflow, order); it was left out.",
    PagesMalformed "pages-malformed" "A block of compressed pages does not expand to its pages; that memory was not scanned.",
    PagesMissing "pages-missing" "A pagemap names a pages image that the target does not hold; that memory was not scanned.",
    PagesTruncated "pages-truncated" "A pages image is shorter than its pagemap says; the memory beyond its end was not scanned.",
    PagesUnowned "pages-unowned" "No pagemap explains this pages image or its tail; it was scanned as raw bytes, without addresses.",
    ParentFollowed "parent-followed" "The link to the parent dump leads out of the folder that was given; where it leads to a folder of images beside that, its pages were read as well.",
    ParentMissing "parent-missing" "Pages lie in a parent dump that is not part of the target; that memory was not scanned.",
    ProcessIncomplete "process-incomplete" "An image of a process is missing or damaged; what is known of the process was used.",
    RuleKeyIgnored "rule-key-ignored" "A key of a rule file of the user means nothing here, or less than in the tool the file is for; the rule ran.",
    RuleLeftOut "rule-left-out" "A rule of a rule file of the user is wrong or cannot be run here; it was left out, the others ran.",
    SparseMember "sparse-member" "The map of a sparse member of a tar archive is impossible; its stored bytes were scanned as raw bytes.",
    StaleTail "stale-tail" "Bytes lie behind the end mark of an archive; no program reads them, and they were not scanned.",
    TargetFailed "target-failed" "A target could not be scanned at all; the other targets were.",
    Throttled "throttled" "In one stretch of memory a rule met more candidates, or more was encoded, than its limit; the rest of that was not searched.",
    YaraFilesOnly "yara-files-only" "YARA rules ask for what memory does not have (a file's size, header or format); they ran on files only.",
    YaraLargeFile "yara-large-file" "A file is too long to be scanned by YARA at once; it was scanned in blocks, as memory is, without the rules that run on files only.",
    YaraMatches "yara-matches" "A string of a YARA rule was found more often in one holder than is counted; a condition that counts higher may not have held.",
    YaraRefused "yara-refused" "A YARA rule does not compile or needs a module that is not there; it was left out, the others ran.",
    YaraSlow "yara-slow" "A YARA rule has a string or a loop that is slow on large data; it ran all the same, within the time limit.",
    YaraTimeout "yara-timeout" "YARA took too long on one holder; none of its rules has an answer there.",
}

/// One problem, and where to look for it with a hex viewer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "dev", derive(schemars::JsonSchema))]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// What kind of problem.
    pub code: Code,
    /// Path chain of the member: `rootfs-diff.tar!etc/passwd`.
    pub member: String,
    /// Bytes from the start of the member.
    pub offset: u64,
    /// One line: lower case, no full stop, says what happens now.
    pub message: String,
    /// What should have been there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Diagnostic {
    /// A problem at the start of a member, without expectation.
    pub fn new(level: Level, code: Code, member: &str, message: impl Into<String>) -> Self {
        Self {
            level,
            code,
            member: member.to_owned(),
            offset: 0,
            message: message.into(),
            expected: None,
            found: None,
        }
    }

    /// The same, at a byte offset of the member.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// The same, with what was expected and what was found.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }
}
