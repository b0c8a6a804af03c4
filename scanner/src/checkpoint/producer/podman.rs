//! podman: `container checkpoint --export`. Its configuration is the whole of libpod's.

use super::Producer;

pub(super) const PODMAN: Producer = Producer {
    name: "podman",
    detect: |metadata, _| metadata.is_managed("libpod", "podman"),
    read: |_, _, checkpoint| {
        // libpod may name the runtime by its path.
        let runtime = checkpoint.container.runtime.take();
        checkpoint.container.runtime =
            runtime.and_then(|path| path.rsplit('/').next().map(str::to_owned));
    },
};
