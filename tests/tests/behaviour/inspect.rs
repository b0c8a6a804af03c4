//! What `cryoscan inspect` shows of checkpoints that were built, and of real ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use cryoscan::checkpoint::Filter;
use cryoscan::cli::inspect::{self, Inspection, Missing, Parts, json, text};
use cryoscan::report::Style;
use cryoscan::scan::{self, Settings, Target};
use cryoscan_proto as proto;
use cryoscan_tests::builder::{Archive, Checkpoint, Kind, Mapping, Process, Producer, Segment};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::values;
use prost::Message;

const AT: u64 = 0x7f00_0000_0000;

fn inspected(path: &Path) -> Inspection {
    let target = Target::Path(path.to_owned());
    Inspection::new(&scan::inspect(&target, &Settings::default()).unwrap())
}

/// Through a tar, whose times are the same in every run.
fn built(archive: &Archive) -> Inspection {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}.tar", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, archive.tar()).unwrap();
    let inspection = inspected(&path);
    fs::remove_file(&path).unwrap();
    inspection
}

fn fixture(name: &str) -> Inspection {
    inspected(&fixtures::folder().join(name).join("checkpoint.tar.zst"))
}

fn page(inspection: &Inspection, parts: Parts) -> String {
    let mut out = Vec::new();
    text(inspection, parts, &Style::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const ALL: Parts =
    Parts { files: true, sockets: true, mounts: true, caps: true, environ: true, maps: true };

/// The JSON, which must follow the published schema.
fn lines(inspection: &Inspection) -> String {
    let mut out = Vec::new();
    json(inspection, &mut out).unwrap();
    let value = serde_json::from_slice(&out).unwrap();
    let schema = include_str!("../../../docs/generated/inspect.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let fault = schema.validate(&value).err();
    assert_eq!(fault.map(|fault| format!("{fault} at {}", fault.instance_path())), None);
    String::from_utf8(out).unwrap()
}

/// `core-PID.img` of a process that has ended: all that there is of it.
fn zombie(comm: &str) -> Vec<u8> {
    let core = proto::CoreEntry {
        mtype: Some(1),
        tc: Some(proto::TaskCoreEntry {
            task_state: Some(6),
            comm: Some(comm.as_bytes().to_vec()),
            ..proto::TaskCoreEntry::default()
        }),
        ..proto::CoreEntry::default()
    };
    let core = core.encode_to_vec();
    let size = u32::try_from(core.len()).unwrap().to_le_bytes();
    [&0x5456_4319u32.to_le_bytes()[..], &0x5505_3847u32.to_le_bytes(), &size, &core].concat()
}

/// A shell with a service, its worker, a zombie and a process whose images are lost.
fn service() -> Archive {
    let token = values::github_token(&mut Random::new(1));
    let option = format!("--token={token}");
    let variable = format!("API_TOKEN={token}");
    let heap = Mapping::noise(AT, 0x3000, 1).kind(Kind::Heap).absent(AT + 0x1000);
    let library = Mapping::noise(AT + 0x10_0000, 0x1000, 2).kind(Kind::File("/lib/libc.so".into()));
    let cache = Segment::memfd(9, "cache", Mapping::noise(0, 0x2000, 3));
    let java = Process::new(7, "java")
        .parent(1)
        .argv(&["java", "-jar", "my app.jar", &option])
        .environ(&["PATH=/bin", &variable])
        .map(heap)
        .map(library)
        .map_shared(AT + 0x20_0000, 9, 0x1000, 0x1000);
    let worker = Process::new(9, "worker").parent(7).map_shared(AT + 0x20_0000, 9, 0, 0x2000);
    let checkpoint = Checkpoint::new()
        .segment(cache)
        .process(Process::new(1, "sh").argv(&["sh", "-c", "echo 'hello'; java"]))
        .process(java)
        .process(worker)
        .process(Process::new(12, "gone").parent(7))
        .process(Process::new(20, "lost").parent(1))
        .file("core-12.img", zombie("gone"))
        .without("mm-12.img")
        .without("pagemap-12.img")
        .without("core-20.img")
        .without("mm-20.img");
    Archive::of(Producer::CriO, &checkpoint)
}

#[test]
fn a_page_of_processes_maps_and_shared_memory() {
    insta::assert_snapshot!(page(&built(&service()), ALL));
}

#[test]
fn an_object_with_fixed_keys() {
    insta::assert_snapshot!(lines(&built(&service())));
}

#[test]
fn real_checkpoints_as_pages() {
    for name in ["docker", "kubelet-crio", "nginx", "tree"] {
        insta::assert_snapshot!(format!("real_{name}"), page(&fixture(name), Parts::default()));
    }
    // Its mounts name cgroups of the machine it was made on.
    let parts = Parts { mounts: false, ..ALL };
    insta::assert_snapshot!("real_runc_whole", page(&fixture("runc"), parts));
}

#[test]
fn a_real_checkpoint_as_json() {
    insta::assert_snapshot!(lines(&fixture("criu-plain")));
    for name in ["counters", "jenkins", "oci-image", "redis"] {
        lines(&fixture(name));
    }
}

/// An image of records of this magic.
fn image(magic: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let mut image = [0x5456_4319u32, magic].map(u32::to_le_bytes).concat();
    for record in records {
        image.extend(u32::try_from(record.len()).unwrap().to_le_bytes());
        image.extend(record);
    }
    image
}

fn file(kind: u32, id: u32) -> proto::FileEntry {
    proto::FileEntry { r#type: Some(kind), id: Some(id), ..proto::FileEntry::default() }
}

fn regular(id: u32, path: &str, flags: u32, mode: u32) -> proto::FileEntry {
    let reg = proto::RegFileEntry {
        id: Some(id),
        flags: Some(flags),
        pos: Some(7),
        name: Some(path.as_bytes().to_vec()),
        size: Some(227),
        mode: Some(mode),
        ..proto::RegFileEntry::default()
    };
    proto::FileEntry { reg: Some(reg), ..file(1, id) }
}

fn pipe(id: u32, pipe_id: u32, flags: u32) -> proto::FileEntry {
    let pipe = proto::PipeEntry { id: Some(id), pipe_id: Some(pipe_id), flags: Some(flags) };
    proto::FileEntry { pipe: Some(pipe), ..file(2, id) }
}

/// A TCP socket; the address of `[a, b]` is 10.0.a.b.
fn tcp(id: u32, state: u32, local: ([u8; 2], u32), remote: ([u8; 2], u32)) -> proto::FileEntry {
    let address = |[a, b]: [u8; 2]| vec![u32::from_le_bytes([10, 0, a, b])];
    let isk = proto::InetSkEntry {
        id: Some(id),
        ino: Some(id + 0x1000),
        family: Some(2),
        r#type: Some(1),
        proto: Some(6),
        state: Some(state),
        src_port: Some(local.1),
        dst_port: Some(remote.1),
        src_addr: address(local.0),
        dst_addr: if remote.1 == 0 { vec![0] } else { address(remote.0) },
        ..proto::InetSkEntry::default()
    };
    proto::FileEntry { isk: Some(isk), ..file(4, id) }
}

fn unix(id: u32, state: u32, name: &str, peer: u32) -> proto::FileEntry {
    let usk = proto::UnixSkEntry {
        id: Some(id),
        ino: Some(id + 0x2000),
        r#type: Some(1),
        state: Some(state),
        peer: Some(peer),
        name: Some(name.as_bytes().to_vec()),
        ..proto::UnixSkEntry::default()
    };
    proto::FileEntry { usk: Some(usk), ..file(5, id) }
}

fn mount(mountpoint: &str, fstype: u32, options: &str, external: bool) -> Vec<u8> {
    let mount = proto::MntEntry {
        fstype: Some(fstype),
        mnt_id: Some(50),
        parent_mnt_id: Some(40),
        flags: Some(1 << 21 | 1 << 1),
        root: Some(b"/".to_vec()),
        mountpoint: Some(mountpoint.as_bytes().to_vec()),
        source: Some(b"src".to_vec()),
        options: Some(options.as_bytes().to_vec()),
        ext_key: external.then(|| mountpoint.as_bytes().to_vec()),
        ..proto::MntEntry::default()
    };
    mount.encode_to_vec()
}

/// A server and its worker, which share a pipe and a listening socket.
fn server() -> Archive {
    let creds = proto::CredsEntry {
        uid: Some(1000),
        gid: Some(1000),
        cap_eff: vec![1 << 10],
        cap_prm: vec![1 << 10 | 1 << 21],
        no_new_privs: Some(1),
        ..proto::CredsEntry::default()
    };
    let listener = || tcp(1001, 10, ([0, 0], 80), ([0, 0], 0));
    let nl = proto::NetlinkSkEntry {
        id: Some(1009),
        ino: Some(9),
        state: Some(7),
        ..proto::NetlinkSkEntry::default()
    };
    let sniffer = proto::PacketSockEntry {
        id: Some(1010),
        r#type: Some(3),
        protocol: Some(3),
        ifindex: Some(2),
        ..proto::PacketSockEntry::default()
    };
    let parent = Process::new(1, "server")
        .descriptor(3, listener())
        .descriptor(4, pipe(1002, 77, 1))
        .descriptor(5, regular(1003, "/tmp/.k", 0o102_002, 0o100_600))
        .descriptor(6, file(6, 1004))
        .descriptor(7, unix(1005, 10, "\0bus", 0))
        .descriptor(8, proto::FileEntry { nlsk: Some(nl), ..file(13, 1009) })
        .descriptor(9, proto::FileEntry { psk: Some(sniffer), ..file(10, 1010) });
    let worker = Process::new(9, "worker")
        .parent(1)
        .creds(creds)
        .descriptor(0, regular(1006, "/srv", 0o200_000, 0o040_755))
        .descriptor(3, listener())
        .descriptor(4, pipe(1007, 77, 0))
        .descriptor(10, tcp(1008, 1, ([0, 7], 80), ([3, 4], 40_000)));
    let mounts = [
        mount(".", 17, "lowerdir=/a", false),
        mount("./data", 0, "vers=3.0,password=hunter", true),
    ];
    let checkpoint = Checkpoint::new()
        .process(parent)
        .process(worker)
        .pipes(&[(77, b"not read yet")])
        .tcp_stream(1008 + 0x1000, b"request", b"")
        .ghost(1, 1003, b"deleted")
        .file("mountpoints-12.img", image(0x5556_3928, &mounts));
    Archive::of(Producer::CriO, &checkpoint)
}

#[test]
fn files_sockets_mounts_and_privileges_as_a_page() {
    let parts = Parts { maps: false, environ: false, ..ALL };
    insta::assert_snapshot!(page(&built(&server()), parts));
}

#[test]
fn files_sockets_mounts_and_privileges_as_an_object() {
    let inspection = built(&server());
    insta::assert_snapshot!(lines(&inspection));
    let checkpoint = &inspection.checkpoints[0];
    let [parent, worker] = checkpoint.processes.as_slice() else { panic!("two processes") };
    let [parent, worker] = [parent, worker].map(|it| it.files.as_ref().unwrap());
    // Both ends of a pipe are one pipe, and what waits in it shows at both.
    assert_eq!((parent[1].inode, parent[1].size), (Some(77), Some(12)));
    assert_eq!((worker[2].inode, worker[2].size), (Some(77), Some(12)));
    assert_eq!(parent[2].path.as_deref(), Some("/tmp/.k"));
    assert!(parent[2].deleted && !worker[0].deleted);
    assert_eq!(worker[0].kind, "directory");
    // A socket that several have open is one socket.
    let listener = &checkpoint.sockets[0];
    let who: Vec<(u32, u32)> = listener.open_by.iter().map(|it| (it.pid, it.fd)).collect();
    assert_eq!((listener.state, who), ("LISTEN", vec![(1, 3), (9, 3)]));
    let connected = checkpoint.sockets.iter().find(|it| it.remote.is_some()).unwrap();
    assert_eq!(connected.remote.as_ref().unwrap().to_string(), "10.0.3.4:40000");
    assert_eq!((connected.receive_queue, connected.send_queue), (Some(7), Some(0)));
}

#[test]
fn passwords_of_mounts_and_statements_are_covered() {
    let process = Process::new(1, "postgres")
        .argv(&["postgres: app shop [local] ALTER ROLE app PASSWORD 'hunter'"]);
    let mounts = image(0x5556_3928, &[mount("/x", 0, "user=a,password=hunter", false)]);
    let checkpoint = Checkpoint::new().process(process).file("mountpoints-12.img", mounts);
    let inspection = built(&Archive::of(Producer::Runc, &checkpoint));
    let verbose = Style { verbose: true, ..Style::default() };
    let mut out = Vec::new();
    text(&inspection, ALL, &verbose, &mut out).unwrap();
    for shown in [String::from_utf8(out).unwrap(), lines(&inspection)] {
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("PASSWORD '******'") && shown.contains("password=******"));
    }
}

#[test]
fn what_could_not_be_read_is_told() {
    let checkpoint = Checkpoint::new()
        .process(Process::new(1, "sh").descriptor(3, pipe(1001, 5, 0)))
        .truncated("fdinfo-1.img", 20);
    let inspection = built(&Archive::of(Producer::Runc, &checkpoint));
    assert!(!inspection.is_complete());
    let told =
        inspection.diagnostics.iter().find(|it| it.member.ends_with("fdinfo-1.img")).unwrap();
    assert_eq!(told.code.name(), "image-truncated");
    let page = page(&inspection, Parts::default());
    assert!(page.contains("Not all of it could be read\n  error: image-truncated: "), "{page}");
    assert!(lines(&inspection).contains("image-truncated"));
    assert!(built(&server()).is_complete());
}

/// In a container whose only connections are to itself, each end sees the other.
#[test]
fn connections_of_a_real_checkpoint_match() {
    let inspection = fixture("tree");
    let sockets = &inspection.checkpoints[0].sockets;
    let connected: Vec<_> = sockets.iter().filter(|it| it.remote.is_some()).collect();
    assert_eq!(connected.len(), 4);
    for socket in connected {
        let other = sockets.iter().find(|it| it.local == socket.remote).unwrap();
        assert_eq!((&other.remote, other.state), (&socket.local, "ESTAB"));
    }
    for socket in sockets.iter().filter(|it| it.family == "unix") {
        let other = sockets.iter().find(|it| it.inode == socket.peer).unwrap();
        assert_eq!(other.peer, socket.inode);
    }
}

#[test]
fn mapped_memory_adds_up() {
    for name in ["gosrv", "matrix", "tree"] {
        for checkpoint in fixture(name).checkpoints {
            // A process may write to its own copy of a shared page; that one counts twice.
            let copies = |process: &&inspect::Process| {
                process.vmas.iter().any(|vma| vma.kind == "shared" && vma.prot.ends_with('p'))
            };
            for process in checkpoint.processes.iter().filter(|process| !copies(process)) {
                let mapped = process.vmas.iter().filter(|vma| vma.kind != "shared");
                let mapped: u64 = mapped.map(|vma| vma.dumped_bytes).sum();
                let pid = process.pid;
                assert_eq!(mapped + process.unmapped_bytes, process.memory_bytes, "{name} {pid}");
            }
            let private = checkpoint.processes.iter().map(|process| process.memory_bytes);
            let shared = checkpoint.shared.iter().map(|segment| segment.dumped_bytes);
            assert_eq!(private.chain(shared).sum::<u64>(), checkpoint.memory_bytes, "{name}");
        }
    }
}

#[test]
fn secrets_in_arguments_are_covered_however_many_copies_there_are() {
    let token = values::github_token(&mut Random::new(2));
    let mut argv = vec!["tool"];
    argv.resize(60, &token);
    let process = Process::new(1, "tool").argv(&argv).environ(&["SECRET_TOKEN=anything at all"]);
    let inspection = built(&Archive::of(Producer::Runc, &Checkpoint::new().process(process)));
    let shown = [page(&inspection, ALL), lines(&inspection)].concat();
    assert!(!shown.contains(&token));
    assert!(!shown.contains("anything"));
    assert!(shown.contains("SECRET_TOKEN"));
    let arguments = inspection.checkpoints[0].processes[0].cmdline.as_ref().unwrap();
    assert_eq!(arguments.len(), 60);
    assert!(arguments[1..].iter().all(|argument| *argument == "*".repeat(token.len())));
}

#[test]
fn secrets_in_arguments_are_covered_however_many_processes_have_them() {
    let token = values::github_token(&mut Random::new(3));
    let mut checkpoint = Checkpoint::new();
    for pid in 1..=300 {
        let process = Process::new(pid, "worker").argv(&["worker", &token, "--port", "80"]);
        checkpoint = checkpoint.process(process);
    }
    let inspection = built(&Archive::of(Producer::Runc, &checkpoint));
    let shown = [page(&inspection, ALL), lines(&inspection)].concat();
    assert!(!shown.contains(&token));
    assert!(shown.contains("--port"));
}

#[test]
fn what_the_container_chose_cannot_write_to_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}1A\r::error::\u{202e}x";
    let heap = Mapping::noise(AT, 0x1000, 1).kind(Kind::File(format!("/tmp/{evil}")));
    let segment = Segment::memfd(9, evil, Mapping::noise(0, 0x1000, 3));
    let process = Process::new(1, evil)
        .exe(evil)
        .argv(&[evil, evil])
        .map(heap)
        .map_shared(AT + 0x20_0000, 9, 0, 0x1000)
        .descriptor(3, regular(1001, evil, 0, 0o100_644))
        .descriptor(4, unix(1002, 10, evil, 0))
        .creds(proto::CredsEntry {
            lsm_profile: Some(evil.as_bytes().to_vec()),
            ..proto::CredsEntry::default()
        });
    let mounts = image(0x5556_3928, &[mount(evil, 0, evil, false)]);
    let checkpoint =
        Checkpoint::new().segment(segment).process(process).file("mountpoints-12.img", mounts);
    let inspection = built(&Archive::of(Producer::Runc, &checkpoint));
    for shown in [page(&inspection, ALL), lines(&inspection)] {
        let lines = shown.replace('\n', "");
        assert!(!lines.contains(|char: char| char.is_control() || char == '\u{202e}'), "{shown}");
        assert!(shown.contains("202e"), "{shown}");
    }
    let again: serde_json::Value = serde_json::from_str(&lines(&inspection)).unwrap();
    assert_eq!(again["checkpoints"][0]["processes"][0]["exe"], evil);
}

#[test]
fn parents_in_a_ring_hide_nobody() {
    let process = |pid: u32, parent| Process::new(pid, &format!("p{pid}")).parent(parent);
    let checkpoint = Checkpoint::new()
        .process(process(2, 4))
        .process(process(3, 2))
        .process(process(4, 3))
        .process(process(5, 5));
    let page = page(&built(&Archive::of(Producer::Criu, &checkpoint)), Parts::default());
    for pid in 2..6 {
        assert_eq!(page.matches(&format!("/usr/bin/p{pid}")).count(), 1, "{page}");
    }
}

#[test]
fn a_dump_and_its_pre_dump_are_told_apart() {
    let set = |absent| {
        let heap = Mapping::noise(AT, 0x2000, 1);
        let heap = if absent { heap.in_parent(AT) } else { heap };
        Checkpoint::new().process(Process::new(1, "app").map(heap))
    };
    let archive = Archive::default()
        .images("images/1/", &set(false).pre_dump())
        .images("images/2/", &set(true));
    let inspection = built(&archive);
    insta::assert_snapshot!(page(&inspection, ALL));
    let pre_dumps: Vec<bool> = inspection.checkpoints.iter().map(|it| it.pre_dump).collect();
    assert_eq!(pre_dumps, [true, false]);
    let process = &inspection.checkpoints[0].processes[0];
    assert_eq!((process.threads, &process.cmdline, &process.environ_names), (None, &None, &None));
    assert_eq!(process.unmapped_bytes, process.memory_bytes);
}

#[test]
fn one_process_can_be_looked_at_alone() {
    let mut inspection = built(&service());
    let pids = |pids: &[u32]| Filter { pids: pids.to_vec(), ..Filter::default() };
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Filter { names, ..Filter::default() }
    };
    assert_eq!(inspection.keep(&pids(&[7, 99])), Err(Missing::Pid(99)));
    let missing = Missing::Name("no such".to_owned());
    assert_eq!(inspection.keep(&names(&["java", "no such"])), Err(missing));
    inspection.keep(&pids(&[9])).unwrap();
    let left: Vec<u32> = inspection.checkpoints[0].processes.iter().map(|it| it.pid).collect();
    assert_eq!(left, [9]);
    assert_eq!(inspection.checkpoints[0].shared.len(), 1);
    inspection.keep(&pids(&[9])).unwrap();
    let mut other = built(&service());
    other.keep(&pids(&[1])).unwrap();
    assert!(other.checkpoints[0].shared.is_empty());
}

#[test]
fn mappings_can_be_looked_at_alone() {
    let mut inspection = built(&service());
    let prots = |letters: &str| Filter { prots: vec![letters.to_owned()], ..Filter::default() };
    let nothing = prots("wxs");
    assert_eq!(inspection.keep(&nothing), Err(Missing::Mapping("--prot wxs".to_owned())));
    let mut inspection = built(&service());
    inspection.keep(&prots("w")).unwrap();
    let mut vmas =
        inspection.checkpoints.iter().flat_map(|it| &it.processes).flat_map(|it| &it.vmas);
    assert!(vmas.clone().count() > 2 && vmas.all(|vma| vma.prot.contains('w')));
}

#[test]
fn encrypted_memory_is_not_called_empty() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "app")).encrypted();
    let inspection = built(&Archive::of(Producer::Podman, &checkpoint));
    assert!(inspection.checkpoints[0].encrypted);
    assert!(page(&inspection, ALL).contains("encrypted"), "{}", page(&inspection, ALL));
}
