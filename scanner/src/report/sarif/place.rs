//! A place as each profile shows it.

use std::borrow::Cow;

use serde_json::Value;
use serde_sarif::sarif::{Address, ArtifactLocation, Location, PhysicalLocation, Region};

use super::super::plain::escape;
use super::artifacts::{Artifacts, Role};
use super::logical::{Logical, container_name, mapping_name};
use super::uri;
use super::words::{bag, clean, int, message, number};
use crate::finding::{Place, Queue, Socket, Vma};
use crate::region::RegionKind;
use crate::report::{CheckpointRecord, Pod};

/// The checkpoint that results lie in.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// Its target, in the table of artifacts.
    pub(super) target: usize,
    /// Its container, in the table of logical locations.
    pub(super) container: usize,
    /// What names it in every run: namespace, workload and container, as parts of a URI.
    pub(super) workload: String,
    /// What names this dump of it.
    pub(super) dump: String,
}

/// A place with all that is known of it: nested artifact, region, address and process.
pub(super) fn full(
    place: &Place,
    current: &Current,
    artifacts: &mut Artifacts,
    logical: &mut Logical,
) -> Location {
    // The path of a deleted file is none in the archive.
    let holder = place.image.as_ref().or(place.path.as_ref());
    let mut artifact =
        holder.map_or(current.target, |chain| artifacts.member(current.target, chain));
    let comm = place.comm.as_deref().unwrap_or_default();
    let process = place.pid.map(|pid| logical.process(current.container, pid, comm));
    let mut within = process.unwrap_or(current.container);
    let mut region = place.offset.and_then(|offset| binary(offset, place.length));
    let mut address = None;
    if let (Some(pid), Some(process), Some(vma), Some(at)) =
        (place.pid, process, &place.vma, place.address)
    {
        if holder.is_some() {
            artifacts.mark(artifact, Role::Memory);
        }
        artifact = artifacts.mapping(artifact, pid, vma);
        within = logical.mapping(process, vma);
        let inside = at.0.saturating_sub(vma.start.0);
        // A value may go on in the next mapping; a region ends with its artifact.
        let length = place.length.min(vma.end.0.saturating_sub(at.0));
        region = binary(inside, length);
        let name = mapping_name(vma);
        let unique = unique_name(&name, vma);
        let full = format!("{}:{unique}+{inside:#x}", logical.full_name(process));
        address = Some(Address {
            kind: Some("data".to_owned()),
            name: Some(name),
            fully_qualified_name: Some(full),
            length: int(length),
            ..Address::default()
        });
    } else if place.path.is_some() && place.image.is_none() {
        region = text(place).or(region);
    } else if matches!(
        place.region,
        RegionKind::Memory | RegionKind::SharedMemory | RegionKind::Memfd | RegionKind::RawImage
    ) {
        artifacts.mark(artifact, Role::Memory);
    }
    artifacts.mark(artifact, Role::Found);
    let named = match &place.image {
        Some(_) => place.path.as_ref(),
        None => place.container_path.as_ref(),
    };
    let properties = bag([
        ("region", serde_json::to_value(place.region).unwrap_or_default()),
        ("length", number(place.length)),
        ("address", Value::from(place.address.map(|address| address.to_string()))),
        ("image", Value::from(place.image.clone())),
        ("offset", place.offset.map_or(Value::Null, number)),
        ("line", place.line.map_or(Value::Null, number)),
        ("column", place.column.map_or(Value::Null, number)),
        ("fd", Value::from(place.fd)),
        ("end", place.end.map_or(Value::Null, |end| serde_json::to_value(end).unwrap_or_default())),
        ("object", place.object.map_or(Value::Null, number)),
        ("socket", place.socket.as_ref().map_or(Value::Null, socket)),
        ("path", named.map_or(Value::Null, |path| Value::from(escape(path)))),
        ("decoded", some(&place.decoded)),
        ("superseded", if place.superseded { Value::from(true) } else { Value::Null }),
    ]);
    Location {
        physical_location: Some(PhysicalLocation {
            artifact_location: Some(artifacts.location(artifact)),
            region,
            address,
            ..PhysicalLocation::default()
        }),
        logical_locations: Some(vec![logical.location(within)]),
        properties: Some(properties),
        ..Location::default()
    }
}

/// The same as one of several places of a finding.
pub(super) fn related(id: i64, place: &Place, location: Location) -> Location {
    Location { id: Some(id), message: Some(message(clean(&words(place), 500))), ..location }
}

/// Where the whole checkpoint is meant, or nothing more is known.
pub(super) fn whole(current: &Current, artifacts: &Artifacts, logical: &Logical) -> Location {
    Location {
        physical_location: Some(PhysicalLocation {
            artifact_location: Some(artifacts.location(current.target)),
            ..PhysicalLocation::default()
        }),
        logical_locations: Some(vec![logical.location(current.container)]),
        ..Location::default()
    }
}

/// A place for services that know a place by path and line, and take it for the same in the next
/// report if both are: without pid, address, and what else changes from dump to dump. `last` is one
/// more part of the path.
pub(super) fn stable(place: Option<&Place>, current: &Current, last: Option<&str>) -> Location {
    let mut uri = format!("checkpoints/{}", current.workload);
    for part in place.map(parts).unwrap_or_default().iter().map(String::as_str).chain(last) {
        uri.push('/');
        uri.push_str(&uri::segment(part));
    }
    let line = place.filter(|place| place.decoded.is_empty()).and_then(|place| place.line);
    let column = place.and_then(|place| place.column);
    let (line, column) = line
        .zip(column)
        .and_then(|(line, column)| int(line).zip(int(column)))
        .filter(|_| last.is_none())
        .unwrap_or((1, 1));
    // The record says where a value begins in a text, not where it ends: a region of no length there.
    let region = Region {
        start_line: Some(line),
        start_column: Some(column),
        end_line: Some(line),
        end_column: Some(column),
        ..Region::default()
    };
    Location {
        physical_location: Some(PhysicalLocation {
            artifact_location: Some(ArtifactLocation {
                uri: Some(uri),
                ..ArtifactLocation::default()
            }),
            region: Some(region),
            ..PhysicalLocation::default()
        }),
        ..Location::default()
    }
}

/// Whether its region is one of lines and columns.
pub(super) fn has_columns(location: &Location) -> bool {
    let region = location.physical_location.as_ref().and_then(|place| place.region.as_ref());
    region.is_some_and(|region| region.start_column.is_some())
}

/// Namespace, workload and container of a checkpoint, as parts of a URI.
pub(super) fn workload_path(record: &CheckpointRecord) -> String {
    let pod = |part: fn(&Pod) -> Option<&str>| record.pod.as_ref().and_then(part);
    let parts = [
        pod(|pod| pod.namespace.as_deref()).map(str::to_owned),
        pod(|pod| pod.name.as_deref()).map(|name| workload(name).to_owned()),
        Some(container_name(record)),
    ];
    let parts: Vec<String> = parts.iter().flatten().map(|part| uri::segment(part)).collect();
    parts.join("/")
}

/// A pod's name without what its controller adds to that of the workload: `-0`, `-x2x9q`,
/// `-7c9d8f6b5-x2x9q`. The letters are those of Kubernetes' `SafeEncodeString`.
fn workload(pod: &str) -> &str {
    let safe = |text: &str| text.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if !last.is_empty() && last.len() < 5 && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return rest;
    }
    if last.len() != 5 || !safe(last) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((rest, hash)) if (8..=10).contains(&hash.len()) && safe(hash) => rest,
        _ => rest,
    }
}

/// What of a place stays the same from dump to dump.
fn parts(place: &Place) -> Vec<String> {
    if let Some(path) = &place.path {
        return path.split(['/', '!']).map(str::to_owned).collect();
    }
    let kind = serde_json::to_value(place.region).unwrap_or_default();
    let kind = kind.as_str().unwrap_or_default();
    let comm = place.comm.clone();
    match (&place.vma, place.region) {
        (Some(vma), RegionKind::Memory | RegionKind::SharedMemory) => {
            let name = vma.path.as_deref().filter(|path| !path.is_empty()).unwrap_or(&vma.kind);
            let name = name.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
            comm.into_iter().chain(name).collect()
        }
        _ => comm.into_iter().chain([kind.to_owned()]).collect(),
    }
}

/// `java (15), [heap] at 0x7f21a4b00010, utf-16le`.
fn words(place: &Place) -> String {
    let mut parts = Vec::new();
    match (place.comm.as_deref().filter(|comm| !comm.is_empty()), place.pid) {
        (Some(comm), Some(pid)) => parts.push(format!("{comm} ({pid})")),
        (None, Some(pid)) => parts.push(format!("process {pid}")),
        (_, None) => {}
    }
    if let (Some(vma), Some(address)) = (&place.vma, place.address) {
        parts.push(format!("{} at {address}", mapping_name(vma)));
    } else {
        parts.extend(place.fd.map(|fd| format!("fd {fd}")));
        parts.extend(place.socket.as_ref().map(connection));
        parts.extend(place.path.clone().or_else(|| place.image.clone()));
    }
    match (place.line, place.column) {
        (Some(line), Some(column)) => parts.push(format!("line {line}, column {column}")),
        _ if place.address.is_none() => {
            parts.extend(place.offset.map(|offset| format!("offset {offset}")));
        }
        _ => {}
    }
    parts.extend(place.decoded.iter().map(ToString::to_string));
    parts.join(", ")
}

/// `tcp received by 10.0.0.7:80 from 10.0.0.9:4242`.
fn connection(socket: &Socket) -> String {
    let (first, second) = match socket.queue {
        Queue::Received => ("received by", "from"),
        Queue::Sent => ("sent by", "to"),
    };
    let sides = [(first, &socket.local), (second, &socket.remote)].into_iter();
    let sides = sides.filter_map(|(word, name)| Some(format!(" {word} {}", name.as_ref()?)));
    sides.fold(socket.protocol.clone(), |words, side| words + &side)
}

fn socket(socket: &Socket) -> Value {
    let side = |name: &Option<String>| Value::from(name.as_deref().map(escape));
    let queue = serde_json::to_value(socket.queue).unwrap_or_default();
    let pairs = [
        ("protocol", Value::from(socket.protocol.clone())),
        ("local", side(&socket.local)),
        ("remote", side(&socket.remote)),
        ("queue", queue),
    ];
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A mapping's name in an address: those of which a process has many come with their start.
fn unique_name(name: &str, vma: &Vma) -> String {
    if name.starts_with('[') { name.to_owned() } else { format!("{name}@{:x}", vma.start.0) }
}

fn binary(offset: u64, length: u64) -> Option<Region> {
    let (byte_offset, byte_length) = (Some(int(offset)?), Some(int(length)?));
    Some(Region { byte_offset, byte_length, ..Region::default() })
}

/// From where the value begins to the end of its line. Text in another encoding than that of the file
/// has lines of its own, which nobody counted.
fn text(place: &Place) -> Option<Region> {
    let start_line = Some(int(place.line.filter(|_| place.decoded.is_empty())?)?);
    let start_column = Some(int(place.column?)?);
    Some(Region { start_line, start_column, ..Region::default() })
}

fn some(list: &[Cow<'static, str>]) -> Value {
    if list.is_empty() { Value::Null } else { list.iter().map(|text| &**text).collect() }
}

#[cfg(test)]
mod tests {
    use super::workload;

    #[test]
    fn a_workload_has_the_same_name_in_all_of_its_pods() {
        for (pod, name) in [
            ("jenkins-0", "jenkins"),
            ("web-7c9d8f6b5-x2x9q", "web"),
            ("node-exporter-q8z2k", "node-exporter"),
            ("etcd", "etcd"),
            ("kube-apiserver", "kube-apiserver"),
            ("backup-2024", "backup"),
            ("my-nginx", "my-nginx"),
        ] {
            assert_eq!(workload(pod), name);
        }
    }
}
