//! inventory.img, stats-dump and cipher.img: what holds for the whole set.

use cryoscan_proto::{InventoryEntry, StatsEntry};

use super::core::Ids;
use super::{Image, ImageError, Key, Records};

/// Head of an image set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// 1 before CRIU 1.6, 2 since, 3 when pages may be compressed.
    pub version: u32,
    /// Whether descriptor tables are numbered by [`Ids::files_id`] (all but very old sets), else
    /// by pid.
    pub fdinfo_per_id: bool,
    /// Whether the set is a pre-dump: memory only, taken while the processes ran.
    pub pre_dump: bool,
    /// 0 not compressed, 1 page by page, 2 by regions.
    pub compress: u32,
    /// Bytes of a region, with `compress` 2.
    pub compress_region_size: Option<u32>,
    /// The ids of CRIU itself: a process with the same namespace id is in the host's namespace.
    pub host: Option<Ids>,
    /// Microseconds from the start of the host to the dump.
    pub uptime: Option<u64>,
    /// Id of the dump (CRIU 4.2 and later).
    pub run_id: Vec<u8>,
}

pub(super) fn decode(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: InventoryEntry = image.required()?;
    records.inventory.get_or_insert(Inventory {
        version: entry.img_version(),
        fdinfo_per_id: entry.fdinfo_per_id(),
        pre_dump: entry.pre_dump_mode.is_some(),
        compress: entry.compress(),
        compress_region_size: entry.compress_region_size,
        uptime: entry.dump_uptime,
        host: entry.root_ids.map(Ids::from),
        run_id: entry.dump_criu_run_id.unwrap_or_default(),
    });
    Ok(())
}

pub(super) fn stats(
    image: &mut Image<'_>,
    _: Key,
    records: &mut Records,
) -> Result<(), ImageError> {
    let entry: StatsEntry = image.required()?;
    if let Some(dump) = entry.dump {
        let pages = dump.pages_written().saturating_add(dump.shpages_written());
        records.pages_written.get_or_insert(pages);
    }
    Ok(())
}

/// The image says how to decrypt the set; that it is there is all we need.
#[expect(clippy::unnecessary_wraps, reason = "the shape of ImageKind::decode")]
pub(super) fn cipher(_: &mut Image<'_>, _: Key, records: &mut Records) -> Result<(), ImageError> {
    records.encrypted = true;
    Ok(())
}
