use super::*;
use crate::random::Random;
use crate::reader::Reader;
use crate::values;

const AT: u64 = 0x7f00_0000_0000;

fn heap(value: &[u8], at: u64) -> Mapping {
    Mapping::noise(AT, 0x8000, 1).put(at, value).kind(Kind::Heap)
}

fn reader(checkpoint: &Checkpoint) -> Reader {
    Reader::from_images(checkpoint.image_set())
}

#[test]
fn a_value_is_found_where_it_was_put() {
    let token = values::github_token(&mut Random::new(1)).into_bytes();
    for page_size in [4096, 16384, 65536] {
        for at in [AT, AT + 0xff0, AT + 0xffff, AT + 0x20000 - 40] {
            let heap = Mapping::noise(AT, 0x20000, 2).put(at, &token);
            let checkpoint = Checkpoint::new().page_size(page_size);
            let reader = reader(&checkpoint.process(Process::new(7, "java").map(heap)));
            assert_eq!(reader.find(7, &token), [at], "page size {page_size}");
            assert_eq!(reader.memory(7, at, token.len()).as_ref(), Some(&token));
        }
    }
}

#[test]
fn arguments_and_environment_lie_on_the_stack() {
    let process = Process::new(1, "psql").argv(&["psql", "-h", "db"]).environ(&["A=1", "B=2"]);
    let reader = reader(&Checkpoint::new().process(process));
    let bytes = reader.memory(1, ARGUMENTS, 19).unwrap();
    assert_eq!(bytes, b"psql\0-h\0db\0A=1\0B=2\0");
}

#[test]
fn mappings_that_touch_are_neighbours_and_others_are_not() {
    let value = b"half of it, and the other half";
    let (first, second) = value.split_at(15);
    let left = Mapping::noise(AT, 0x1000, 1).put(AT + 0x1000 - 15, first);
    let touching = Mapping::noise(AT + 0x1000, 0x1000, 2).put(AT + 0x1000, second).prot(1);
    let apart = Mapping::noise(AT + 0x2000, 0x1000, 2).put(AT + 0x2000, second);
    let found = |right: Mapping| {
        let process = Process::new(1, "a").map(left.clone()).map(right);
        reader(&Checkpoint::new().process(process)).find(1, value)
    };
    assert_eq!(found(touching), [AT + 0x1000 - 15]);
    assert!(found(apart).is_empty());
}

#[test]
fn an_absent_page_parts_memory_and_joins_the_pages_image() {
    let value = b"half of it, and the other half";
    let (first, second) = value.split_at(15);
    let heap = Mapping::noise(AT, 0x3000, 1)
        .put(AT + 0x1000 - 15, first)
        .put(AT + 0x2000, second)
        .absent(AT + 0x1000);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    let reader = reader(&checkpoint);
    assert!(reader.find(1, value).is_empty());
    assert_eq!(reader.memory(1, AT + 0x1000, 1), None);
    assert_eq!(reader.image("pages-1.img", 0x1000 - 15, value.len()), Some(&value[..]));
}

#[test]
fn entries_are_cut_at_their_limit_and_memory_is_not() {
    let value = b"across two entries";
    let heap = Mapping::zero(AT, 0x28_0000).put(AT + 0x10_0000 - 4, value);
    let (entries, _) = mapping::pagemap(std::slice::from_ref(&heap), 4096, 256);
    let counts: Vec<u64> = entries.iter().filter_map(|entry| entry.nr_pages).collect();
    assert_eq!(counts, [256, 256, 128]);
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap));
    assert_eq!(reader(&checkpoint).find(1, value), [AT + 0x10_0000 - 4]);
    assert_eq!(reader(&checkpoint.entry_pages(1)).find(1, value), [AT + 0x10_0000 - 4]);
}

#[test]
fn old_counts_and_old_framing_read_the_same() {
    let process = Process::new(1, "a").map(heap(b"a value", AT + 0x1234));
    let new = Checkpoint::new().process(process);
    for old in [new.clone().page_count(PageCount::Field2), new.clone().framed_v1()] {
        assert_ne!(old.image_set(), new.image_set());
        assert_eq!(reader(&old).find(1, b"a value"), [AT + 0x1234]);
    }
}

#[test]
fn a_pagemap_has_the_bytes_that_criu_writes() {
    // Head pages_id 2, then vaddr 0, compat_nr_pages 0, flags 4, nr_pages 3: written by CRIU 4.2.
    let segment = Segment::memfd(1045, "/dev/zero", Mapping::zero(0, 0x3000));
    let first = Segment::memfd(1044, "/dev/zero", Mapping::zero(0, 0x1000));
    let set = Checkpoint::new().segment(first).segment(segment).image_set();
    let set: BTreeMap<String, Vec<u8>> = set.into_iter().collect();
    let expected = "1943565425400856020000000802080000000800100020042803";
    assert_eq!(data_encoding::HEXLOWER.encode(&set["pagemap-shmem-1045.img"]), expected);
}

#[test]
fn shared_segments_are_stored_once() {
    let content = || Mapping::noise(0, 0x2000, 3).put(0x1800, b"shared secret");
    for segment in [
        Segment::memfd(9, "cache", content()),
        Segment::anonymous(9, content()),
        Segment::sysv(9, content()),
    ] {
        let map = |pid| Process::new(pid, "worker").map_shared(AT, 9, 0x1000, 0x1000);
        let checkpoint = Checkpoint::new().segment(segment).process(map(1)).process(map(2));
        let reader = reader(&checkpoint);
        assert_eq!(reader.shared(9, 0x1800, 13).as_deref(), Some(&b"shared secret"[..]));
        assert_eq!(reader.mapped(2, AT + 0x800, 13).as_deref(), Some(&b"shared secret"[..]));
        assert_eq!(reader.mapped(2, AT + 0xff8, 13), None);
        assert!(reader.find(1, b"shared secret").is_empty());
    }
}

#[test]
fn pages_in_a_parent_are_found_through_the_link() {
    let value = b"in the parent's page and the child's";
    let old = Mapping::noise(AT, 0x2000, 1).put(AT + 0x1000 - 8, &value[..8]);
    let new = Mapping::noise(AT, 0x2000, 2).put(AT + 0x1000, &value[8..]).in_parent(AT);
    let set = |mapping| Checkpoint::new().process(Process::new(1, "a").map(mapping));
    let archive = Archive::default()
        .images("images/1/", &set(old))
        .images("images/2/", &set(new))
        .link("images/2/parent", "../1");
    let reader = Reader::open(&archive.tar()).unwrap();
    assert_eq!(reader.find(1, value), [AT + 0x1000 - 8]);
}

#[test]
fn lazy_pages_have_bytes_only_when_present() {
    let heap = heap(b"a value", AT).lazy(AT, true).lazy(AT + 0x1000, false);
    let reader = reader(&Checkpoint::new().process(Process::new(1, "a").map(heap)));
    assert_eq!(reader.find(1, b"a value"), [AT]);
    assert_eq!(reader.memory(1, AT + 0x1000, 1), None);
}

#[test]
fn hostile_entries_leave_the_rest_readable() {
    for entry in [
        hostile::huge_count(0x1000),
        hostile::address_overflow(),
        hostile::overlapping(AT + 0x4000),
        hostile::unaligned(AT),
    ] {
        let process = Process::new(1, "a").map(heap(b"a value", AT));
        let checkpoint = Checkpoint::new().process(process).pagemap_entry(1, entry);
        assert_eq!(reader(&checkpoint).find(1, b"a value"), [AT]);
    }
}

#[test]
fn images_can_be_missing_cut_and_replaced() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap(b"a value", AT)));
    assert_eq!(reader(&checkpoint.clone().without("pages-1.img")).memory(1, AT, 1), None);
    let cut = reader(&checkpoint.clone().truncated("pages-1.img", 0x1800));
    assert_eq!(cut.memory(1, AT, 7).as_deref(), Some(&b"a value"[..]));
    assert_eq!(cut.memory(1, AT + 0x1000, 1), None);
    let encrypted = checkpoint.encrypted().file("dump.log", "(00.1) done\n").image_set();
    assert!(encrypted.iter().any(|(name, _)| name == "cipher.img"));
    assert!(encrypted.iter().any(|(name, _)| name == "dump.log"));
}

#[test]
fn kernel_buffers_hold_their_bytes() {
    let checkpoint = Checkpoint::new()
        .pipes(&[(7, b"in a pipe")])
        .socket_queues(&[(3, b"first"), (3, b"second")])
        .tcp_stream(0x231d7, b"received", b"sent")
        .terminals(&[(1, b"typed")])
        .ghost(1, 9, b"deleted")
        .tmpfs(41, &[("run/token", b"in a tmpfs")]);
    let set: BTreeMap<String, Vec<u8>> = checkpoint.image_set().into_iter().collect();
    assert!(set["pipes-data.img"].ends_with(b"in a pipe"));
    assert!(set["tcp-stream-231d7.img"].ends_with(b"receivedsent"));
    assert!(set["tty-data.img"].ends_with(b"typed"));
    assert!(set["ghost-file-1.img"].ends_with(b"deleted"));
    assert!(set["tmpfs-dev-41.tar.gz.img"].starts_with(&[0x1f, 0x8b]));
    assert!(set["sk-queues.img"].ends_with(b"second"));
}

#[test]
fn every_producer_in_every_order_and_compression_reads_the_same() {
    let process = Process::new(1, "java").environ(&["TOKEN=x"]).map(heap(b"a value", AT));
    let checkpoint = Checkpoint::new().process(process);
    for producer in Producer::ALL {
        for order in [Order::AsWritten, Order::Reversed, Order::Shuffled(5)] {
            let archive = Archive::of(producer, &checkpoint).order(order);
            let dotted = archive.clone().dotted();
            for bytes in [archive.tar(), archive.gzip(), archive.zstd(), dotted.tar()] {
                let reader = Reader::open(&bytes).unwrap();
                assert_eq!(reader.find(1, b"a value"), [AT], "{producer:?} {order:?}");
            }
        }
    }
}

#[test]
fn members_keep_long_names_duplicates_and_links() {
    let long = format!("{}/pages-1.img", "folder/".repeat(30));
    let archive = Archive::default()
        .member("twice", "old")
        .member("twice", "new")
        .member(&long, "long")
        .link("parent", "../1");
    let tar = archive.stale_tail(&[b'x'; 700]).tar();
    assert!(tar.ends_with(b"xxxx"));
    let mut names = Vec::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        names.push(String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap());
    }
    assert_eq!(names, ["twice", "twice", long.as_str(), "parent"]);
}

#[test]
fn a_cut_archive_ends_inside_of_the_member() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap(b"a value", AT)));
    let whole = Archive::of(Producer::Podman, &checkpoint);
    let cut = whole.clone().cut_in("checkpoint/pages-1.img", 100).tar();
    assert!(cut.len() < whole.tar().len());
    assert!(whole.tar().starts_with(&cut));
    assert_eq!(cut.len() % 512, 100);
}

#[test]
fn a_folder_has_the_members_and_goes_away() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a"));
    let folder = Archive::of(Producer::Runc, &checkpoint).link("x/parent", "../1").folder();
    let path = folder.path().to_owned();
    assert!(path.join("checkpoint/inventory.img").is_file());
    assert!(path.join("checkpoint/descriptors.json").is_file());
    assert!(path.join("x/parent").is_symlink());
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn a_root_file_system_difference_is_a_tar_plain_or_compressed() {
    let checkpoint = Checkpoint::new().process(Process::new(1, "a").map(heap(b"a value", AT)));
    let layer = |compressed| {
        let images = checkpoint.image_set();
        let files: Vec<(&str, &[u8])> =
            images.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        Archive::default().rootfs_diff(&files, compressed).tar()
    };
    for compressed in [false, true] {
        assert_eq!(Reader::open(&layer(compressed)).unwrap().find(1, b"a value"), [AT]);
    }
}

#[test]
fn metadata_name_their_producer_and_repeat_the_environment() {
    let process = Process::new(1, "java").environ(&["TOKEN=synthetic"]);
    let checkpoint = Checkpoint::new().process(process);
    for (producer, mark) in [
        (Producer::Podman, "libpod"),
        (Producer::CriO, "cri-o"),
        (Producer::ContainerdCri, "io.kubernetes.cri.container-type"),
        (Producer::Docker, "config.v2.json"),
        (Producer::Runc, "descriptors.json"),
    ] {
        let tar = Archive::of(producer, &checkpoint).tar();
        let text = String::from_utf8_lossy(&tar);
        assert!(text.contains(mark), "{producer:?}");
        // Once in memory; runc and criu write no specification.
        let repeated = text.matches("TOKEN=synthetic").count() > 1;
        assert_eq!(repeated, producer != Producer::Runc, "{producer:?}");
    }
}

#[test]
fn the_same_checkpoint_has_the_same_bytes() {
    let tar = || {
        let process = Process::new(1, "java").map(heap(b"a value", AT)).open(3, "/var/log/x");
        Archive::of(Producer::Podman, &Checkpoint::new().process(process)).tar()
    };
    assert!(tar() == tar());
}
