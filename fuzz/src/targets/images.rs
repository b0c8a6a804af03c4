//! Framing and messages of CRIU's images: the first line is the name, the rest the image.

use cryoscan::criu::{IMAGES, OTHERS, Records, Role, contents, decode};
use cryoscan::limits::Limits;
use cryoscan_tests::builder::{Checkpoint, Mapping, Process};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "images",
    about: "every image of CRIU that is decoded, by its name",
    run,
    seeds,
    rounds: 6000,
};

fn run(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, image) = data.split_at(line);
    let image = image.get(1..).unwrap_or_default();
    let limits = Limits { record_bytes: 1 << 20, records: 10_000, ..Limits::default() };
    let mut records = Records::default();
    // What is wrong with it is told and no fault.
    if let Err(error) = decode("fuzz", name, image, &limits, &mut records) {
        assert!(error.offset <= image.len() as u64, "{error}");
    }
    let len = image.len() as u64;
    if let Some(found) = contents("fuzz", name, image, len, &limits, &mut records) {
        assert!(found.end <= len, "{found:?}");
        for content in &found.contents {
            assert!(
                content.offset.checked_add(content.len).is_some_and(|end| end <= len),
                "{content:?}"
            );
        }
    }
}

/// An image of this kind: two records of a few fields of every wire type.
pub(crate) fn image(magic: u32, records: &[&[u8]]) -> Vec<u8> {
    let mut data = [0x5456_4319_u32, magic].map(u32::to_le_bytes).concat();
    for record in records {
        data.extend(u32::try_from(record.len()).unwrap_or(0).to_le_bytes());
        data.extend(*record);
    }
    data
}

fn seeds() -> Vec<Vec<u8>> {
    let named = |name: &str, data: &[u8]| [name.as_bytes(), b"\n", data].concat();
    let mut seeds: Vec<Vec<u8>> = IMAGES
        .iter()
        .map(|kind| {
            let name = kind.pattern.replace("%u", "7");
            named(&name, &image(kind.magic, &[&[8, 1, 16, 2, 24, 3], &[8, 2, 18, 2, 8, 1]]))
        })
        .collect();
    let heap = Mapping::noise(0x5555_0000_0000, 0x2000, 1);
    let process = Process::new(7, "sh").map(heap).open(3, "/etc/hosts").argv(&["sh", "-c"]);
    let built = Checkpoint::new()
        .process(process)
        .pipes(&[(3, b"waiting")])
        .socket_queues(&[(4, b"packet"), (4, b"more")])
        .tcp_stream(0x1f, b"received", b"sent")
        .compressed(1);
    for (name, data) in built.image_set() {
        if !OTHERS.iter().any(|(other, role)| *role == Role::Pages && other.starts_with(&name)) {
            seeds.push(named(&name, data.get(..4096).unwrap_or(&data)));
        }
    }
    seeds
}
