//! What engines write beside the images: JSON of every kind, also inside of OCI layouts.

use cryoscan_tests::builder::{Archive, Checkpoint, Image, Process, Producer};

use crate::Target;
use crate::files::{join, split};
use crate::scanning::{checkpoint_with, pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "metadata",
    about: "config.dump, spec.dump, status.dump, descriptors, OCI indexes, manifests and blobs",
    run,
    seeds,
    rounds: 1000,
};

/// Files of one input.
const MOST: usize = 24;

fn run(data: &[u8]) {
    let files = split(data);
    let top = files.iter().take(MOST).map(|(name, content)| (name.as_str(), content.as_slice()));
    pipe(&checkpoint_with(Producer::Podman, top, []).tar(), &settings()).check();
}

fn seeds() -> Vec<Vec<u8>> {
    let checkpoint = Checkpoint::new().process(Process::new(1, "sh").environ(&["HOME=/", "A=b"]));
    let of = |archive: &Archive| {
        join(archive.files().filter(|(name, content)| {
            !name.contains("checkpoint/") && !name.ends_with(".img") && content.len() < 16 << 10
        }))
    };
    let mut seeds: Vec<Vec<u8>> =
        Producer::ALL.iter().map(|producer| of(&Archive::of(*producer, &checkpoint))).collect();
    let inner = Archive::of(Producer::CriO, &checkpoint);
    for kind in [Image::Podman, Image::Checkpointctl, Image::Containerd] {
        seeds.push(of(&Archive::image(kind, &inner, false)));
    }
    // Each file alone, so that a mutation of it is not lost among the others.
    for producer in Producer::ALL {
        for (name, content) in Archive::of(producer, &checkpoint).files() {
            let name = name.rsplit('/').next().unwrap_or(name);
            if !name.ends_with(".img") && !name.starts_with("stats") {
                seeds.push(join([(name, content)]));
            }
        }
    }
    seeds.retain(|seed| !seed.is_empty());
    seeds
}
