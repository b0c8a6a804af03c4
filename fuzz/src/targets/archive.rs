//! A whole scan of any bytes, as a file and from a pipe.

use cryoscan_tests::builder::{Archive, Checkpoint, Image, Mapping, Order, Process, Producer};
use cryoscan_tests::samples;

use crate::Target;
use crate::scanning::{file, pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "archive",
    about: "a scan of any file: the ledger adds up, nothing is lost in silence",
    run,
    seeds,
    rounds: 500,
};

fn run(data: &[u8]) {
    let settings = settings();
    file(data, &settings).check();
    pipe(data, &settings).check();
}

fn seeds() -> Vec<Vec<u8>> {
    let heap = Mapping::noise(0x5555_0000_0000, 0x2000, 1);
    let checkpoint = Checkpoint::new().process(Process::new(1, "sh").map(heap));
    let mut seeds: Vec<Vec<u8>> =
        Producer::ALL.map(|producer| Archive::of(producer, &checkpoint).tar()).to_vec();
    seeds.push(Archive::of(Producer::Runc, &checkpoint.clone().compressed(1)).tar());
    seeds.push(Archive::of(Producer::Runc, &checkpoint.clone().framed_v1()).gzip());
    seeds.push(Archive::of(Producer::CriO, &checkpoint).order(Order::Reversed).zstd());
    let inner = Archive::of(Producer::Podman, &checkpoint);
    for kind in [Image::Podman, Image::Checkpointctl, Image::Containerd] {
        seeds.push(Archive::image(kind, &inner, true).tar());
    }
    seeds.push(samples::small().archive.tar());
    seeds
}
