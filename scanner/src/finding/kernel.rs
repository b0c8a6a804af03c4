//! Places in kernel objects, and paths as the container sees them.

use super::{Context, PipeEnd, Place, Queue, Socket};
use crate::checkpoint::{Checkpoint, End, KernelObject, Opener, file_path};
use crate::criu::Remap;
use crate::region::{Holder, HolderKind, Locus};
use crate::tally::LineFeeds;

/// The places of a match in a kernel object: one for each process that has it open, and each end of a
/// pipe; one without a process when none is known. `plain` says what and how long it is.
pub(super) fn places(
    holder: Holder,
    locus: Locus,
    lines: Option<LineFeeds>,
    plain: Place,
    context: &Context<'_>,
) -> Vec<Place> {
    let checkpoint = context.checkpoint;
    let space = checkpoint.spaces.get(&holder);
    let offset = space.and_then(|space| space.image_offset(locus.at)).map(|(_, offset, _)| offset);
    let image = context.names.get(&holder).map(|name| String::from(&**name));
    let plain = Place { image, offset, ..plain };
    if holder.kind == HolderKind::Registers {
        return vec![of_thread(holder, plain, checkpoint)];
    }
    let Some(object) = checkpoint.objects.get(&holder) else { return vec![plain] };
    let (line, column) = if holder.kind == HolderKind::Ghost {
        let (line, column) = super::place::line_and_column(holder, locus.at, lines, context);
        (Some(line), Some(column))
    } else {
        (None, None)
    };
    let plain = Place {
        path: object.path.clone(),
        object: Some(number(holder)),
        socket: object.connection.as_ref().map(|connection| Socket {
            protocol: connection.protocol.to_owned(),
            local: connection.local.clone(),
            remote: connection.remote.clone(),
            queue: if holder.kind == HolderKind::TcpSent { Queue::Sent } else { Queue::Received },
        }),
        line,
        column,
        ..plain
    };
    if object.open_by.is_empty() {
        return vec![plain];
    }
    object.open_by.iter().map(|opener| of_opener(opener, plain.clone(), checkpoint)).collect()
}

fn of_opener(opener: &Opener, place: Place, checkpoint: &Checkpoint) -> Place {
    let process = checkpoint.processes.get(&opener.pid);
    Place {
        pid: Some(opener.pid),
        comm: process.map(|process| process.comm.clone()),
        fd: opener.fd,
        end: opener.end.map(|end| match end {
            End::Read => PipeEnd::Read,
            End::Write => PipeEnd::Write,
            End::Both => PipeEnd::Both,
        }),
        ..place
    }
}

fn of_thread(holder: Holder, place: Place, checkpoint: &Checkpoint) -> Place {
    let thread = u32::try_from(holder.id).unwrap_or(u32::MAX);
    let has = |item: &&crate::criu::TreeItem| item.threads.contains(&thread);
    let pid = checkpoint.records.tree.iter().find(has).map_or(thread, |item| item.pid);
    let process = checkpoint.processes.get(&pid);
    let comm = process.map(|process| process.comm.clone());
    // The image has them as numbers, not as these bytes.
    Place { pid: Some(pid), comm, offset: None, ..place }
}

/// The number that CRIU gave the object: of a message queue without its namespace.
fn number(holder: Holder) -> u64 {
    holder.id & u64::from(u32::MAX)
}

/// The pids that have an object open.
pub(super) fn pids(holder: Holder, checkpoint: &Checkpoint) -> impl Iterator<Item = u32> {
    let object = checkpoint.objects.get(&holder);
    object.into_iter().flat_map(|object| object.open_by.iter().map(|opener| opener.pid))
}

/// What of an object survives the next dump: its path, or the lowest name of a program that has it
/// open, or of the socket.
pub(super) fn owner(holder: Holder, context: &Context<'_>) -> String {
    let checkpoint = context.checkpoint;
    let Some(object) = checkpoint.objects.get(&holder) else { return String::new() };
    let KernelObject { path, connection, .. } = object;
    let program = || {
        let processes = pids(holder, checkpoint).filter_map(|pid| checkpoint.processes.get(&pid));
        processes.map(|process| process.exe.as_ref().unwrap_or(&process.comm).clone()).min()
    };
    let name = || connection.as_ref().filter(|it| it.protocol == "unix")?.local.clone();
    path.clone().or_else(program).or_else(name).unwrap_or_default()
}

/// Path as the container sees it of a file in an archive of the checkpoint, told from the path chain:
/// in the container's own layer, a tmpfs, a volume, `/dev/shm`, or a deleted file that is an archive.
pub(super) fn container_path(chain: &str, checkpoint: &Checkpoint) -> Option<String> {
    let mut parts = chain.split('!');
    let folder = loop {
        let part = parts.next()?;
        let (above, name) = part.rsplit_once('/').unwrap_or(("", part));
        if let Some(folder) = mount_point(above, name, checkpoint) {
            break folder;
        }
    };
    if folder.is_ghost {
        let rest: String = parts.flat_map(|part| ["!", part]).collect();
        return Some(folder.path + &rest);
    }
    let first = parts.next()?.trim_start_matches("./");
    let rest: String = parts.flat_map(|part| ["!", part]).collect();
    Some(format!("{}/{first}{rest}", folder.path.trim_end_matches('/')))
}

/// Where the container has what an archive holds.
struct Folder {
    path: String,
    /// Whether the archive itself is a file of the container.
    is_ghost: bool,
}

fn mount_point(above: &str, name: &str, checkpoint: &Checkpoint) -> Option<Folder> {
    let folder = |path: String| Some(Folder { path, is_ghost: false });
    let key = crate::criu::key_of(name.as_bytes());
    let mounts = &checkpoint.records.mounts;
    let path = |mount: &crate::criu::Mount| String::from_utf8_lossy(&mount.mountpoint).into_owned();
    match (name, key) {
        ("rootfs-diff.tar", _) => folder(String::new()),
        ("devshm-checkpoint.tar", _) => folder("/dev/shm".to_owned()),
        (_, Some(device)) if name.starts_with("tmpfs-dev-") => {
            // A bind of a part of it has the same device.
            let of_device = || mounts.iter().filter(|mount| mount.root_dev == device);
            let whole = of_device().find(|mount| mount.root == b"/");
            folder(path(whole.or_else(|| of_device().next())?))
        }
        (_, Some(id)) if name.starts_with("tmpfs-") => {
            folder(path(mounts.iter().find(|mount| mount.mnt_id == id)?))
        }
        (_, Some(id)) if crate::criu::is_ghost(name.as_bytes()) => {
            let is_it = |remap: &Remap| *remap == Remap::Ghost(id);
            let (file, _) = checkpoint.records.remaps.iter().find(|(_, remap)| is_it(remap))?;
            Some(Folder { path: file_path(*file, &checkpoint.records)?, is_ghost: true })
        }
        _ if above.rsplit('/').next() == Some("volumes") => {
            let volume = name.strip_suffix(".tar")?;
            let data = format!("/volumes/{volume}/_data");
            let of = |mount: &&crate::checkpoint::SpecMount| {
                mount.source.as_ref().is_some_and(|source| source.ends_with(&data))
            };
            folder(checkpoint.spec_mounts.iter().find(of)?.destination.clone())
        }
        _ => None,
    }
}
