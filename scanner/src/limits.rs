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
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        Self { limits, kept: 0, decoded: 0, members: 0 }
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
        if self.members >= self.limits.members {
            return Err(Exceeded { what: "members of the target", limit: self.limits.members });
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
