//! What hostile input may cost: every decoder is charged here before it allocates.

/// Bounds that protect the scanner from hostile input.
///
/// They never depend on `--memory`: the same input gives the same report on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside containers: 1 is the target itself.
    pub nesting: u32,
    /// Members in one target, over all containers.
    pub members: u64,
    /// Bytes that decompression may make of one target, in all.
    pub decoded_bytes: u64,
    /// Decoded bytes for one stored byte of a compressed member inside the target.
    pub expansion_ratio: u64,
    /// Decoded bytes that are never held against `expansion_ratio`: small bombs are harmless.
    pub expansion_floor: u64,
    /// Bytes of one member that is decoded whole in memory (an image, a JSON file, a PAX header).
    pub kept_member_bytes: u64,
    /// Bytes of all members of a target that are decoded whole in memory.
    pub kept_bytes: u64,
    /// Bytes of a file in a stream that is held whole, as its format is read out of order (`SQLite`, packs of
    /// git).
    pub held_bytes: u64,
    /// Bytes of one object that a delta in a pack of git is applied to, or makes.
    pub delta_bytes: u64,
    /// Bytes of one protobuf record in an image.
    pub record_bytes: u32,
    /// Records of one image.
    pub records: u64,
    /// Bytes of pages images that are held back because their pagemap has not been seen (pipe only).
    pub late_pages_bytes: u64,
    /// The same of a dump of an incremental chain in a compressed archive, which is needed in the order of
    /// addresses.
    pub chain_pages_bytes: u64,
    /// Distinct values of one target that become findings; the lowest by key are kept.
    pub findings: usize,
    /// Holders of one value, by kind of region, whose places are kept; all are counted.
    pub holders_per_value: usize,
    /// The same, of values that only a proof makes findings.
    pub unproven: usize,
    /// Distinct indicators of lists that become findings: a process may hold a list itself.
    pub listed: usize,
    /// Diagnostics of one code and checkpoint; the lowest by member and offset are kept.
    pub diagnostics_per_code: usize,
    /// Bytes of a member name, after which it is cut.
    pub name_bytes: usize,
    /// Bytes of a file that YARA scans at once; a longer one is scanned in blocks.
    pub yara_file_bytes: u64,
    /// Hits of one string of a YARA rule that are counted in one holder.
    pub yara_matches: usize,
    /// Seconds that YARA may take on one holder, beside one for every 4 MiB of it.
    pub yara_seconds: u64,
    /// Holders on which YARA may take too long before it is given up for the whole run.
    pub yara_timeouts: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nesting: 8,
            members: 10_000_000,
            decoded_bytes: 1 << 42,
            expansion_ratio: 1_000,
            expansion_floor: 64 << 20,
            kept_member_bytes: 64 << 20,
            kept_bytes: 512 << 20,
            held_bytes: 32 << 20,
            delta_bytes: 16 << 20,
            record_bytes: 16 << 20,
            records: 4_000_000,
            late_pages_bytes: 32 << 20,
            chain_pages_bytes: 128 << 20,
            findings: 50_000,
            holders_per_value: 256,
            unproven: 10_000,
            listed: 10_000,
            diagnostics_per_code: 100,
            name_bytes: 4096,
            yara_file_bytes: 64 << 20,
            yara_matches: 1_000,
            yara_seconds: 60,
            yara_timeouts: 3,
        }
    }
}

/// A bound of [`Limits`] that input went over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: limit of {limit} reached")]
pub struct Exceeded {
    /// What was counted, in words: `members of the target`.
    pub what: &'static str,
    /// The bound.
    pub limit: u64,
}

/// What one target has used of its [`Limits`].
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    kept: u64,
    decoded: u64,
    members: u64,
    share: Share,
    /// What the compressed member inside the target that is open has come to, with all that was in it.
    tree: Option<Expansion>,
    /// Decoded bytes of such members beyond the ratio, in all that are done.
    excess: u64,
    /// The steps of each decoder, where they are noted.
    trails: Option<Vec<Trail>>,
}

/// How far a decoder has come in what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Offset of the stored byte that was next when it began.
    pub start: u64,
    /// The same after each of its steps.
    pub steps: Vec<u64>,
}

/// What the container that is open may have.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// What the members of the target may come to in it.
    members: u64,
    /// Compressed streams around the target.
    wrapped: u32,
}

/// Compressed members in a compressed member, in all: small ones multiply.
const TREE_FLOORS: u64 = 16;
/// How often a target may use the floor of the ratio: many small bombs are a large one.
const TARGET_FLOORS: u64 = 512;

/// What was decoded of how much.
#[derive(Debug, Clone, Copy, Default)]
struct Expansion {
    stored: u64,
    decoded: u64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        let share = Share { members: limits.members, wrapped: 0 };
        Self { limits, kept: 0, decoded: 0, members: 0, share, tree: None, excess: 0, trails: None }
    }

    /// One that notes the steps of decoders.
    pub fn with_trails(limits: Limits) -> Self {
        Self { trails: Some(Vec::new()), ..Self::new(limits) }
    }

    /// A decoder begins at an offset.
    pub fn begin_trail(&mut self, start: u64) {
        if let Some(trails) = &mut self.trails {
            trails.push(Trail { start, steps: Vec::new() });
        }
    }

    /// The decoder that has begun last has made a step and stands at an offset.
    pub fn step(&mut self, at: u64) {
        if let Some(trail) = self.trails.iter_mut().flatten().last() {
            trail.steps.push(at);
        }
    }

    /// What was noted, in the order of their beginnings.
    pub fn trails(self) -> Vec<Trail> {
        self.trails.unwrap_or_default()
    }

    /// Opens a container of this depth. One inside the target may have half of the members that are
    /// left, so that what stands behind it is scanned however many it has; what only wraps the target
    /// or holds one file shares nothing. Gives what [`Self::close`] wants.
    pub fn open(&mut self, depth: u32, holds_one: bool) -> Share {
        let outer = self.share;
        if depth == outer.wrapped.saturating_add(1) {
            self.share.wrapped = outer.wrapped.saturating_add(u32::from(holds_one));
        } else if !holds_one {
            let left = outer.members.saturating_sub(self.members);
            self.share.members = self.members.saturating_add(left >> 1);
        }
        outer
    }

    /// The container has ended.
    pub fn close(&mut self, outer: Share) {
        self.share = outer;
    }

    /// Begins a compressed member inside the target; whether it lies in no other. That one has to be
    /// ended with [`Self::end_tree`].
    pub fn begin_tree(&mut self) -> bool {
        let is_root = self.tree.is_none();
        self.tree.get_or_insert_default();
        is_root
    }

    /// Ends what [`Self::begin_tree`] has begun.
    pub fn end_tree(&mut self) {
        if let Some(Expansion { stored, decoded }) = self.tree.take() {
            let allowed = stored.saturating_mul(self.limits.expansion_ratio);
            self.excess = self.excess.saturating_add(decoded.saturating_sub(allowed));
        }
    }

    /// Counts `made` bytes of a compressed member inside the target that has made `decoded` of `stored`.
    ///
    /// # Errors
    /// When they are too many for what is stored of it, or of the compressed member that it lies in.
    pub fn expanded(
        &mut self,
        is_root: bool,
        made: u64,
        decoded: u64,
        stored: u64,
    ) -> Result<(), Exceeded> {
        let Limits { expansion_ratio: ratio, expansion_floor: floor, .. } = self.limits;
        let left = floor.saturating_mul(TARGET_FLOORS).saturating_sub(self.excess);
        let limit = stored.saturating_mul(ratio).max(floor.min(left));
        let tree = self.tree.get_or_insert_default();
        tree.decoded = tree.decoded.saturating_add(made);
        if is_root {
            tree.stored = stored;
        }
        if decoded > limit {
            return Err(Exceeded { what: "bytes decompressed from its stored bytes", limit });
        }
        // The outermost goes on: what stands in it behind a bomb is scanned.
        let limit =
            tree.stored.saturating_mul(ratio).max(floor.saturating_mul(TREE_FLOORS).min(left));
        if !is_root && tree.decoded > limit {
            let what = "bytes decompressed in all inside of a compressed member";
            return Err(Exceeded { what, limit });
        }
        Ok(())
    }

    /// The bounds behind this budget.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks for `bytes` that stay in memory until the end of the target.
    ///
    /// # Errors
    /// When one member or all together would go over the bound; nothing is charged then.
    pub fn keep(&mut self, bytes: u64) -> Result<(), Exceeded> {
        if bytes > self.limits.kept_member_bytes {
            return Err(Exceeded {
                what: "bytes of a decoded member",
                limit: self.limits.kept_member_bytes,
            });
        }
        let total = self.kept.saturating_add(bytes);
        if total > self.limits.kept_bytes {
            return Err(Exceeded {
                what: "bytes of decoded members",
                limit: self.limits.kept_bytes,
            });
        }
        self.kept = total;
        Ok(())
    }

    /// Whether [`Self::keep`] would allow so many bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        bytes <= self.limits.kept_member_bytes
            && self.kept.saturating_add(bytes) <= self.limits.kept_bytes
    }

    /// Counts one member of a container.
    ///
    /// # Errors
    /// When the target has more members than allowed.
    pub fn member(&mut self) -> Result<(), Exceeded> {
        let limit = self.share.members;
        if self.members >= limit {
            let is_all = limit == self.limits.members;
            let what = if is_all { "members of the target" } else { "half of the members left" };
            return Err(Exceeded { what, limit });
        }
        self.members = self.members.saturating_add(1);
        Ok(())
    }

    /// Counts `bytes` made by decompression.
    ///
    /// # Errors
    /// When the target would expand beyond the bound.
    pub fn decoded(&mut self, bytes: u64) -> Result<(), Exceeded> {
        let total = self.decoded.saturating_add(bytes);
        if total > self.limits.decoded_bytes {
            return Err(Exceeded { what: "decoded bytes", limit: self.limits.decoded_bytes });
        }
        self.decoded = total;
        Ok(())
    }
}
