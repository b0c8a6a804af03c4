//! Image folders without an engine's metadata: docker, runc and crun, and CRIU itself.

use super::Producer;

pub(super) const DOCKER: Producer = Producer {
    name: "docker",
    detect: |metadata, path| {
        let mut parts = path.rsplit(['/', '!']).skip(1);
        metadata.descriptors
            && parts.next() == Some("checkpoints")
            && parts.next().is_some_and(is_container_id)
    },
    read: |_, location, checkpoint| {
        let id = location.rsplit(['/', '!']).find(|part| is_container_id(part));
        checkpoint.container.id = id.map(str::to_owned);
    },
};

pub(super) const RUNC: Producer = Producer {
    name: "runc",
    detect: |metadata, _| metadata.descriptors && metadata.config.is_none(),
    read: |_, _, _| {},
};

pub(super) const CRIU: Producer =
    Producer { name: "criu", detect: |_, _| true, read: |_, _, _| {} };

fn is_container_id(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}
