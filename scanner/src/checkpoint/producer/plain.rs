//! Image folders without an engine's metadata: docker, runc and crun, and CRIU itself.

use super::{Producer, id_in, time};

pub(super) const DOCKER: Producer = Producer {
    name: "docker",
    detect: |metadata, path| {
        let mut parts = path.rsplit(['/', '!']).skip(1);
        let in_container = parts.next() == Some("checkpoints")
            && (metadata.docker.is_some() || parts.next().is_some_and(is_container_id));
        metadata.descriptors.is_some() && in_container
    },
    read: |metadata, location, checkpoint| {
        let id = location.rsplit(['/', '!']).find(|part| is_container_id(part));
        let container = &mut checkpoint.container;
        container.id = id.map(str::to_owned);
        checkpoint.checkpointed =
            time(metadata.noted.as_ref()).or_else(|| checkpoint.checkpointed.take());
        let Some(docker) = &metadata.docker else { return };
        container.id = docker.id.clone().or_else(|| container.id.take());
        let name = docker.name.as_deref().map(|name| name.trim_start_matches('/'));
        container.name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        container.image.clone_from(&docker.config.image);
        container.image_id.clone_from(&docker.image);
        checkpoint.started = time(docker.state.started_at.as_ref());
        let host = metadata.docker_host.as_ref();
        container.runtime =
            host.and_then(|host| host.runtime.clone()).filter(|runtime| !runtime.is_empty());
        checkpoint.created = time(docker.created.as_ref());
        checkpoint.host = checkpoint.host.take().or_else(|| docker.config.hostname.clone());
    },
};

pub(super) const RUNC: Producer = Producer {
    name: "runc",
    detect: |metadata, _| metadata.descriptors.is_some() && metadata.config.is_none(),
    read: |_, location, checkpoint| {
        checkpoint.container.id = id_in(location).map(str::to_owned);
    },
};

pub(super) const CRIU: Producer =
    Producer { name: "criu", detect: |_, _| true, read: |_, _, _| {} };

fn is_container_id(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}
