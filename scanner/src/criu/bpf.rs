//! bpfmap-data.img: keys and values of BPF maps.

use cryoscan_proto::BpfmapDataEntry;

use super::contents::{Contained, Object};
use super::{ImageError, Key, Records};

pub(super) const BPFMAP_DATA: u32 = 0x6432_4033;

pub(super) fn maps(image: &mut Contained<'_>, _: Key, _: &mut Records) -> Result<(), ImageError> {
    while let Some(entry) = image.record::<BpfmapDataEntry>()? {
        // One array and another: what touches here does not belong together.
        let map = Object::BpfMap(entry.map_id());
        let offset = image.offset();
        image.take_next(map, Some(offset), entry.keys_bytes().into(), 0)?;
        let values = image.offset().saturating_add(1);
        image.take_next(map, Some(values), entry.values_bytes().into(), 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::criu::contents::{Content, contents};
    use crate::criu::sample::{size, with_payload};
    use crate::limits::Limits;

    #[test]
    fn keys_and_values_are_no_neighbours() {
        let entry = BpfmapDataEntry {
            map_id: Some(5),
            keys_bytes: Some(8),
            values_bytes: Some(16),
            count: Some(2),
        };
        let data = with_payload(BPFMAP_DATA, &[(entry.encode_to_vec(), vec![b'x'; 24])]);
        let len = size(&data);
        let (name, limits) = ("bpfmap-data.img", Limits::default());
        let found = contents(name, name.as_bytes(), &data, len, &limits, &mut Records::default());
        let (object, start) = (Object::BpfMap(5), len - 24);
        let keys = Content { object, at: Some(start), offset: start, len: 8 };
        let values = Content { object, at: Some(start + 9), offset: start + 8, len: 16 };
        assert_eq!(found.expect("all of it").contents, [keys, values]);
    }
}
