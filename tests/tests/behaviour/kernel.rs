//! What the kernel held for processes: each object by itself, with who has it open.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use cryoscan_tests::builder::kernel::{bpf_map, fifo, pipe, regular, tcp, terminal, unix};
use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Order, Process, Producer, Segment};
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::HEAP;
use cryoscan_tests::scanned::{Files, Part, revealing, scan, scan_bytes, scan_pipe};
use cryoscan_tests::sqlite::Database;
use cryoscan_tests::values;
use serde_json::{Value, json};

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

/// A process that holds something, so that the set is a checkpoint.
fn shell() -> Process {
    Process::new(12, "sh").map(Mapping::noise(HEAP, 0x1000, 1))
}

/// The report on a checkpoint: the same from a file and a stream, and in other orders of the members.
fn report(checkpoint: &Checkpoint, check: impl Fn(Part<'_>)) {
    let archive = Archive::of(Producer::Podman, checkpoint);
    let tar = archive.tar();
    let mut small = revealing();
    small.window = 64 << 10;
    small.threads = 2;
    let files = Files::new();
    let reversed = archive.clone().order(Order::Reversed).tar();
    let forms = [
        scan_bytes(&tar, &revealing()),
        scan(&[&files.add("small", &tar)], &small),
        scan_bytes(&archive.zstd(), &revealing()),
        scan_pipe(&tar, &revealing()),
        scan_bytes(&reversed, &revealing()),
        scan_pipe(&reversed, &revealing()),
    ];
    let rest = |part: Part<'_>| -> Vec<Value> {
        part.records.iter().filter(|it| it["type"] != "checkpoint").cloned().collect()
    };
    let first = rest(forms[0].whole());
    for scanned in &forms {
        assert_eq!(scanned.whole().faults(), Vec::<String>::new());
        assert_eq!(rest(scanned.whole()), first);
    }
    check(forms[0].whole());
}

/// A place without what differs from test to test: `image` and `offset` lead to the value.
fn place(part: Part<'_>, checkpoint: &Checkpoint, value: &str) -> Value {
    let places = part.places(value.as_bytes());
    assert_eq!(places.len(), 1, "{places:?}");
    let mut place = places[0].clone();
    let image = place["image"].as_str().unwrap().to_owned();
    let offset = usize::try_from(place["offset"].as_u64().unwrap()).unwrap();
    let set = checkpoint.image_set();
    let (_, bytes) = set.iter().find(|(name, _)| image.ends_with(name)).unwrap();
    // What goes on in the next packet begins here all the same.
    let held = bytes[offset..].iter().zip(value.as_bytes()).take_while(|(a, b)| a == b).count();
    assert!(held >= 8, "{value} is not at {offset} of {image}");
    let fields = place.as_object_mut().unwrap();
    for key in ["image", "offset", "length", "comm"] {
        fields.remove(key);
    }
    place
}

fn absent(part: Part<'_>, value: &str) {
    assert_eq!(part.finding(value.as_bytes()), None);
}

#[test]
fn a_pipe_with_both_ends_and_another() {
    let (whole, split) = (token(1), token(2));
    let (left, right) = split.split_at(20);
    let checkpoint = Checkpoint::new()
        .process(shell().descriptor(3, pipe(1001, 7, 0)).descriptor(9, pipe(1002, 8, 0)))
        .process(Process::new(13, "cat").parent(12).descriptor(1, pipe(1003, 7, 1)))
        .pipes(&[(7, whole.as_bytes()), (8, left.as_bytes()), (9, right.as_bytes())]);
    report(&checkpoint, |part| {
        absent(part, &split);
        let places = part.places(whole.as_bytes());
        let who: Vec<Value> = places
            .iter()
            .map(|it| json!([it["region"], it["pid"], it["fd"], it["end"], it["object"]]))
            .collect();
        assert_eq!(who, [json!(["pipe", 12, 3, "read", 7]), json!(["pipe", 13, 1, "write", 7])]);
        let finding = part.finding(whole.as_bytes()).unwrap();
        assert_eq!((&finding["count"], &finding["processes"]), (&json!(1), &json!(2)));
    });
}

#[test]
fn a_fifo_has_a_path() {
    let value = token(1);
    let checkpoint = Checkpoint::new()
        .process(
            shell()
                .descriptor(3, regular(1001, "/tmp/events", 2))
                .descriptor(4, fifo(1002, 99, 1001)),
        )
        .fifos(&[(99, format!("event {value}\n").as_bytes())]);
    report(&checkpoint, |part| {
        let expected = json!({"region": "fifo", "pid": 12, "fd": 4, "end": "both", "object": 99,
                              "path": "/tmp/events"});
        assert_eq!(place(part, &checkpoint, &value), expected);
    });
}

#[test]
fn packets_of_a_stream_are_joined_and_datagrams_are_not() {
    let (stream, datagrams, sequence, whole) = (token(1), token(2), token(3), token(4));
    let half = |value: &str, second: bool| {
        let (left, right) = value.split_at(20);
        if second { right.as_bytes().to_vec() } else { left.as_bytes().to_vec() }
    };
    let packets = [
        (1001, half(&stream, false)),
        (1002, half(&datagrams, false)),
        (1003, half(&sequence, false)),
        (1001, half(&stream, true)),
        (1002, half(&datagrams, true)),
        (1003, half(&sequence, true)),
        (1002, whole.as_bytes().to_vec()),
    ];
    let packets: Vec<(u32, &[u8])> = packets.iter().map(|(id, it)| (*id, it.as_slice())).collect();
    let checkpoint = Checkpoint::new()
        .process(
            shell()
                .descriptor(3, unix(1001, 1, "/run/app.sock\0", 1004))
                .descriptor(4, unix(1002, 2, "\0log", 0))
                .descriptor(5, unix(1003, 5, "", 0))
                .descriptor(6, unix(1004, 1, "", 1001)),
        )
        .socket_queues(&packets);
    report(&checkpoint, |part| {
        absent(part, &datagrams);
        absent(part, &sequence);
        let socket = |local: &str| json!({"protocol": "unix", "local": local, "remote": null, "queue": "received"});
        let place = |value| place(part, &checkpoint, value);
        let queue = |fd, id, local| {
            json!({"region": "socket-queue", "pid": 12, "fd": fd, "object": id,
                   "socket": socket(local)})
        };
        assert_eq!(place(&stream), queue(3, 1001, "/run/app.sock"));
        assert_eq!(place(&whole), queue(4, 1002, "@log"));
    });
}

#[test]
fn a_connection_has_two_queues() {
    let (received, sent, split) = (token(1), token(2), token(3));
    let (left, right) = split.split_at(20);
    let checkpoint = Checkpoint::new().process(shell().descriptor(7, tcp(1001, 31, 80, 40_000)));
    let checkpoint = checkpoint.tcp_stream(
        31,
        format!("{received}\n{left}").as_bytes(),
        format!("{right}\n{sent}").as_bytes(),
    );
    report(&checkpoint, |part| {
        absent(part, &split);
        for (value, queue) in [(&received, "received"), (&sent, "sent")] {
            let socket = json!({"protocol": "tcp", "local": "10.0.0.7:80",
                                "remote": "10.0.0.9:40000", "queue": queue});
            let expected = json!({"region": "tcp-queue", "pid": 12, "fd": 7, "object": 31,
                                  "socket": socket});
            assert_eq!(place(part, &checkpoint, value), expected);
        }
    });
}

#[test]
fn a_long_queue_from_a_stream_is_cut_into_windows() {
    let value = token(1);
    let mut received = vec![b'.'; 300_000];
    received.extend(value.as_bytes());
    received.extend(vec![b'.'; 70_000]);
    let checkpoint = Checkpoint::new()
        .process(shell().descriptor(7, tcp(1001, 31, 80, 40_000)))
        .tcp_stream(31, &received, &vec![b'.'; 100_000]);
    report(&checkpoint, |part| {
        assert_eq!(place(part, &checkpoint, &value)["region"], "tcp-queue");
    });
}

#[test]
fn both_sides_of_a_terminal() {
    let (typed, shown) = (token(1), token(2));
    let checkpoint = Checkpoint::new()
        .process(
            shell()
                .descriptor(3, regular(1001, "/dev/pts/0", 2))
                .descriptor(0, terminal(1002, 5, 1001)),
        )
        .process(
            Process::new(13, "sshd")
                .parent(12)
                .descriptor(3, regular(1003, "/dev/ptmx", 2))
                .descriptor(4, terminal(1004, 6, 1003)),
        )
        .terminals(&[(5, typed.as_bytes()), (6, shown.as_bytes())]);
    report(&checkpoint, |part| {
        let tty = |pid, fd, object, path| json!({"region": "tty", "pid": pid, "fd": fd, "object": object, "path": path});
        assert_eq!(place(part, &checkpoint, &typed), tty(12, 0, 5, "/dev/pts/0"));
        assert_eq!(place(part, &checkpoint, &shown), tty(13, 4, 6, "/dev/ptmx"));
    });
}

#[test]
fn messages_are_apart_also_without_padding_between_them() {
    let (whole, split, padded) = (token(1), token(2), token(3));
    let (left, right) = split.split_at(24);
    let checkpoint = Checkpoint::new().process(shell()).messages(&[
        (4, &[whole.as_bytes(), left.as_bytes(), right.as_bytes()]),
        (5, &[format!("{padded}:").as_bytes()]),
    ]);
    report(&checkpoint, |part| {
        absent(part, &split);
        let queue = |id| json!({"region": "sysv-message", "object": id});
        assert_eq!(place(part, &checkpoint, &whole), queue(4));
        assert_eq!(place(part, &checkpoint, &padded), queue(5));
    });
}

#[test]
fn a_segment_of_an_old_dump_has_its_bytes_in_its_image() {
    let value = token(1);
    let content = format!("{}{value} ", "-".repeat(0x123));
    let checkpoint = Checkpoint::new()
        .segment(Segment::sysv(3, Mapping::noise(0, 0x1000, 3)))
        .process(shell().map_shared(0x7200_0000_0000, 3, 0, 0x1000))
        .without("pagemap-shmem-3.img")
        .without("pages-1.img")
        .inline_segment(3, content.as_bytes());
    report(&checkpoint, |part| {
        let mut place = place(part, &checkpoint, &value);
        place.as_object_mut().unwrap().remove("vma");
        let address = "0x720000000123";
        assert_eq!(place, json!({"region": "sysv-shm", "pid": 12, "address": address}));
    });
}

#[test]
fn an_old_segment_fits_by_who_maps_it_whatever_comes_first() {
    let value = token(1);
    let checkpoint = Checkpoint::new()
        .segment(Segment::sysv(3, Mapping::noise(0, 0x1000, 3)))
        .process(shell().map_shared(0x7200_0000_0000, 3, 0, 0x1000))
        .without("pagemap-shmem-3.img")
        .without("pages-1.img")
        .inline_segment(3, format!("{value} ").as_bytes());
    let archive = Archive::of(Producer::Podman, &checkpoint);
    let mut settings = revealing();
    settings.filter.pids = vec![12];
    for tar in [archive.tar(), archive.order(Order::Reversed).tar()] {
        for scanned in [scan_bytes(&tar, &settings), scan_pipe(&tar, &settings)] {
            assert_eq!(scanned.whole().faults(), Vec::<String>::new());
            assert_eq!(scanned.whole().places(value.as_bytes()).len(), 1);
        }
    }
}

#[test]
fn a_deleted_database_is_a_file_and_its_rows() {
    let (row, free, long) = (token(1), token(2), token(3));
    let (_, here) = Database::local(1024, 3000);
    // It lies over the end of the first overflow page.
    let mut split = vec![b'.'; 3000];
    split[here + 1000..][..long.len()].copy_from_slice(long.as_bytes());
    let database = Database::new(1024)
        .table("t", &[(1, row.clone().into_bytes()), (2, split)])
        .dropped(&[(1, free.clone().into_bytes())])
        .bytes();
    let checkpoint = Checkpoint::new()
        .process(shell().descriptor(5, regular(1001, "/tmp/cache.db", 2)))
        .ghost(31, 1001, &database);
    report(&checkpoint, |part| {
        for value in [&row, &free] {
            let expected = json!(["ghost-file", 12, 5, "/tmp/cache.db"]);
            let is_whole =
                |it: &Value| json!([it["region"], it["pid"], it["fd"], it["path"]]) == expected;
            assert!(part.places(value.as_bytes()).iter().any(is_whole), "{value}");
        }
        let place = &part.places(long.as_bytes())[0];
        assert_eq!(place["path"], "checkpoint/ghost-file-1f.img!t/2");
        assert_eq!(place["container_path"], "/tmp/cache.db!t/2");
    });
}

#[test]
fn a_bpf_map_with_keys_and_values() {
    let (key, value, split) = (token(1), token(2), token(3));
    let (left, right) = split.split_at(20);
    let checkpoint = Checkpoint::new().process(shell().descriptor(5, bpf_map(1001, 77))).bpf_map(
        77,
        format!("{key}\0{left}").as_bytes(),
        format!("{right}\0{value}").as_bytes(),
    );
    report(&checkpoint, |part| {
        absent(part, &split);
        let map = json!({"region": "bpf-map", "pid": 12, "fd": 5, "object": 77});
        assert_eq!(place(part, &checkpoint, &key), map);
        assert_eq!(place(part, &checkpoint, &value), map);
    });
}

#[test]
fn a_deleted_file_has_its_path_and_lines() {
    let value = token(1);
    let content = format!("one\ntwo\nkey={value}\n");
    let checkpoint = Checkpoint::new()
        .process(shell().descriptor(5, regular(1001, "/tmp/.key", 2)))
        .ghost(10, 1001, content.as_bytes());
    report(&checkpoint, |part| {
        let expected = json!({"region": "ghost-file", "pid": 12, "fd": 5, "object": 10,
                              "path": "/tmp/.key", "line": 3, "column": 5});
        assert_eq!(place(part, &checkpoint, &value), expected);
        assert_eq!(part.finding(value.as_bytes()).unwrap()["files"], 1);
    });
}

#[test]
fn chunks_of_a_deleted_file_are_joined_where_they_touch() {
    let (joined, split, far) = (token(1), token(2), token(3));
    let half = |value: &str| {
        let (left, right) = value.split_at(20);
        (left.as_bytes().to_vec(), right.as_bytes().to_vec())
    };
    let ((joined_1, joined_2), (split_1, split_2)) = (half(&joined), half(&split));
    let first = [b"\n".as_slice(), &joined_1].concat();
    let second = [joined_2.as_slice(), b"\n", &split_1].concat();
    let at = first.len() as u64;
    let end = at + second.len() as u64;
    let huge = 1 << 50;
    let third = format!("\n\n{far}");
    let checkpoint = Checkpoint::new()
        .process(shell().descriptor(5, regular(1001, "/tmp/.sparse", 2)))
        .sparse_ghost(
            16,
            1001,
            huge + 100,
            &[(0, &first), (at, &second), (end + 1, &split_2), (huge, third.as_bytes())],
        );
    report(&checkpoint, |part| {
        absent(part, &split);
        let ghost = |line, column| {
            json!({"region": "ghost-file", "pid": 12, "fd": 5, "object": 16,
                   "path": "/tmp/.sparse", "line": line, "column": column})
        };
        assert_eq!(place(part, &checkpoint, &joined), ghost(2, 1));
        assert_eq!(place(part, &checkpoint, &far), ghost(5, 1));
    });
}

#[test]
fn a_deleted_archive_is_opened() {
    let value = token(1);
    let inner = Archive::default()
        .member("app/key", format!("a\n{value}\n"))
        .member("app/pages-1.img", vec![7; 5000]);
    for packed in [inner.tar(), inner.gzip()] {
        let checkpoint = Checkpoint::new()
            .process(shell().descriptor(5, regular(1001, "/tmp/app.tar", 2)))
            .ghost(31, 1001, &packed);
        report(&checkpoint, |part| {
            let place = &part.places(value.as_bytes())[0];
            assert_eq!(place["region"], "ghost-file", "{place}");
            assert_eq!(place["path"], "checkpoint/ghost-file-1f.img!app/key");
            assert_eq!((&place["line"], &place["column"]), (&json!(2), &json!(1)));
            assert_eq!(place["container_path"], "/tmp/app.tar!app/key");
            assert_eq!(part.notes("pages-unowned").count(), 0, "no image of the checkpoint");
        });
    }
}

#[test]
fn files_have_the_path_that_the_container_sees() {
    let value = token(1);
    let mount = cryoscan_proto::MntEntry {
        root_dev: Some(41),
        root: Some(b"/".to_vec()),
        mountpoint: Some(b"/run".to_vec()),
        ..cryoscan_proto::MntEntry::default()
    };
    let record = prost::Message::encode_to_vec(&mount);
    let len = u32::try_from(record.len()).unwrap().to_le_bytes();
    let magic = [0x5456_4319_u32, 0x5556_3928].map(u32::to_le_bytes).concat();
    let checkpoint = Checkpoint::new()
        .process(shell())
        .tmpfs(41, &[("secrets/token", value.as_bytes())])
        .file("mountpoints-12.img", [&magic[..], &len, &record].concat());
    report(&checkpoint, |part| {
        let place = &part.places(value.as_bytes())[0];
        assert_eq!(place["path"], "checkpoint/tmpfs-dev-41.tar.gz.img!secrets/token");
        assert_eq!(place["container_path"], "/run/secrets/token");
    });
}

#[test]
fn registers_are_searched_when_asked() {
    let value = token(1);
    let checkpoint = Checkpoint::new().process(shell().vectors(value.as_bytes()));
    let tar = Archive::of(Producer::Podman, &checkpoint).tar();
    let mut settings = revealing();
    absent(scan_bytes(&tar, &settings).whole(), &value);
    settings.registers = true;
    for scanned in [scan_bytes(&tar, &settings), scan_pipe(&tar, &settings)] {
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new());
        let expected = json!([{"region": "registers", "pid": 12, "comm": "sh", "length": 40,
                               "image": "checkpoint/core-12.img"}]);
        assert_eq!(json!(part.places(value.as_bytes())), expected);
    }
}

/// Images that lie: what is there is searched, and what is wrong is told.
#[test]
fn lengths_that_lie_cost_nothing_and_lose_nothing() {
    let (before, after) = (token(1), token(2));
    let good = Checkpoint::new()
        .process(shell().descriptor(3, pipe(1001, 7, 0)))
        .pipes(&[(7, before.as_bytes())])
        .image_set();
    let (_, good) = good.into_iter().find(|(name, _)| name == "pipes-data.img").unwrap();
    let record =
        |record: &[u8]| [&u32::try_from(record.len()).unwrap().to_le_bytes()[..], record].concat();
    // 4 GiB for pipe 8; a record that is none; a record of 4 GiB.
    let tails = [
        (record(&[8, 8, 16, 0xff, 0xff, 0xff, 0xff, 0x0f]), "image-truncated"),
        (record(&[0xff; 5]), "image-malformed"),
        (u32::MAX.to_le_bytes().to_vec(), "image-truncated"),
    ];
    for (tail, code) in tails {
        let bytes = [&good, &tail[..], format!(" {after} ").as_bytes()].concat();
        let checkpoint = Checkpoint::new()
            .process(shell().descriptor(3, pipe(1001, 7, 0)))
            .file("pipes-data.img", bytes);
        report(&checkpoint, |part| {
            assert_eq!(place(part, &checkpoint, &before)["pid"], 12);
            place(part, &checkpoint, &after);
            let notes: Vec<&Value> = part.notes(code).collect();
            assert_eq!(notes.len(), 1, "{code}");
            assert!(notes[0]["member"].as_str().unwrap().ends_with("pipes-data.img"));
            assert_eq!(notes[0]["level"], "error");
        });
    }
}

#[test]
fn every_image_may_be_cut_anywhere() {
    let value = token(1);
    let fill = value.as_bytes();
    let checkpoint = Checkpoint::new()
        .process(shell())
        .pipes(&[(7, fill)])
        .fifos(&[(8, fill)])
        .socket_queues(&[(3, fill)])
        .tcp_stream(31, fill, fill)
        .terminals(&[(5, fill)])
        .messages(&[(4, &[fill])])
        .bpf_map(77, fill, fill)
        .inline_segment(9, fill)
        .sparse_ghost(16, 1001, 100, &[(0, fill)]);
    let with_content = [
        "pipes-data.img",
        "fifo-data.img",
        "sk-queues.img",
        "tcp-stream-1f.img",
        "tty-data.img",
        "ipcns-msg-11.img",
        "bpfmap-data.img",
        "ipcns-shm-11.img",
        "ghost-file-10.img",
    ];
    let set = checkpoint.image_set();
    let longest = with_content.iter().map(|name| {
        let (_, bytes) = set.iter().find(|(it, _)| it == name).unwrap();
        bytes.len()
    });
    // The decoders' own test cuts at every byte.
    for keep in (0..longest.max().unwrap()).step_by(7) {
        let cut = |checkpoint: Checkpoint, name: &&str| checkpoint.truncated(name, keep);
        let checkpoint = with_content.iter().fold(checkpoint.clone(), cut);
        let tar = Archive::of(Producer::Runc, &checkpoint).tar();
        let scanned = match keep % 2 {
            0 => scan_bytes(&tar, &revealing()),
            _ => scan_pipe(&tar, &revealing()),
        };
        assert_eq!(scanned.whole().faults(), Vec::<String>::new(), "cut at {keep}");
    }
}
