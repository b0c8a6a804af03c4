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

#[cfg(test)]
mod tests {
    use cryoscan_proto::{DumpStatsEntry, TaskKobjIdsEntry};
    use prost::Message;

    use super::*;
    use crate::criu::sample::{read, single};

    #[test]
    fn a_pre_dump_of_compressed_pages() {
        let host = TaskKobjIdsEntry { net_ns_id: Some(2), ..Default::default() };
        let entry = InventoryEntry {
            img_version: Some(3),
            fdinfo_per_id: Some(true),
            root_ids: Some(host),
            pre_dump_mode: Some(1),
            compress: Some(2),
            compress_region_size: Some(262_144),
            ..Default::default()
        };
        let inventory = single("inventory.img", &entry).inventory.expect("decoded");
        assert_eq!((inventory.version, inventory.pre_dump), (3, true));
        assert_eq!((inventory.compress, inventory.compress_region_size), (2, Some(262_144)));
        assert_eq!(inventory.host.map(|host| host.net_ns), Some(2));
    }

    #[test]
    fn private_and_shared_pages_are_added() {
        let dump = DumpStatsEntry {
            pages_written: Some(3),
            shpages_written: Some(4),
            ..Default::default()
        };
        let records = single("stats-dump", &StatsEntry { dump: Some(dump) });
        assert_eq!(records.pages_written, Some(7));
        let restore = StatsEntry { dump: None }.encode_to_vec();
        assert_eq!(read("stats-dump", &[restore]).pages_written, None);
    }

    #[test]
    fn a_cipher_image_marks_the_set() {
        assert!(read("cipher.img", &[vec![]]).encrypted);
    }
}
