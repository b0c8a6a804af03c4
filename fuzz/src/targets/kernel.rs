//! Images with bytes that the kernel or a device held, and text beside them.

use cryoscan::criu::OTHERS;
use cryoscan_tests::builder::{Checkpoint, Producer};

use super::images::image;
use crate::Target;
use crate::files::{join, split};
use crate::scanning::{checkpoint_with, pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "kernel",
    about: "pipes, queues, terminals, deleted files, messages, maps: every file that is not decoded",
    run,
    seeds,
    rounds: 1000,
};

/// Files of one input.
const MOST: usize = 24;

fn run(data: &[u8]) {
    let files = split(data);
    let images = files.iter().take(MOST).map(|(name, content)| (name.as_str(), content.as_slice()));
    let archive = checkpoint_with(Producer::Criu, [], images);
    pipe(&archive.tar(), &settings()).check();
}

/// Magic of criu/include/magic.h of images with a payload; of no other the content matters.
const MAGIC: &[(&str, u32)] = &[
    ("ipcns-msg-7.img", 0x5545_3737),
    ("bpfmap-data.img", 0x6432_4033),
    ("fifo-data.img", 0x5933_3054),
];

fn seeds() -> Vec<Vec<u8>> {
    let built = Checkpoint::new()
        .pipes(&[(3, b"waiting for a reader"), (4, b"")])
        .socket_queues(&[(4, b"first "), (4, b"second"), (5, b"other")])
        .tcp_stream(0x1f, b"GET / HTTP/1.1", b"HTTP/1.1 200")
        .terminals(&[(1, b"typed\n")])
        .messages(&[(1, &[b"first", b"second"])])
        .bpf_map(1, b"key.", b"value...")
        .ghost(2, 3, b"deleted content")
        .tmpfs(41, &[("run/a", b"one"), ("run/b", b"two")]);
    let set = built.image_set();
    let mut seeds = Vec::new();
    for (name, content) in &set {
        if !name.starts_with("inventory") && !name.starts_with("pstree") {
            seeds.push(join([(name.as_str(), content.as_slice())]));
        }
    }
    // A record that says how many bytes follow, in each field in which it could, and the bytes.
    for (pattern, _) in OTHERS {
        let name = pattern.replace("%u", "7").replace("%x", "1f").replace("%s", "x");
        let magic = MAGIC.iter().find(|(of, _)| *of == name).map_or(0x5645_3709, |(_, it)| *it);
        let mut content = image(magic, &[&[8, 1, 16, 8, 24, 8, 32, 1, 40, 8, 48, 8]]);
        content.extend(b"8 bytes!8 more..");
        seeds.push(join([(name.as_str(), content.as_slice())]));
    }
    seeds
}
