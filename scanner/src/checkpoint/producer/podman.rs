//! podman: `container checkpoint --export`. Its configuration is the whole of libpod's.

use super::{Producer, id_in};

pub(super) const PODMAN: Producer = Producer {
    name: "podman",
    detect: |metadata, _| metadata.is_managed("libpod", "podman"),
    read: |_, location, checkpoint| {
        // A checkpoint that was not exported lies where podman keeps the container.
        let id = checkpoint.container.id.take();
        checkpoint.container.id = id.or_else(|| id_in(location).map(str::to_owned));
        // libpod may name the runtime by its path.
        let runtime = checkpoint.container.runtime.take();
        checkpoint.container.runtime =
            runtime.and_then(|path| path.rsplit('/').next().map(str::to_owned));
    },
};
