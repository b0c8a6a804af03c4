//! Every producer's checkpoint is told by its content, says whose it is, and its secrets are found
//! where they lie.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::path::{Path, PathBuf};

use cryoscan::scan::{self, Described, Settings, Target};
use cryoscan_tests::builder::{Archive, Checkpoint, Image, Mapping, Order, Process, Producer};
use cryoscan_tests::fixtures;
use cryoscan_tests::random::Random;
use cryoscan_tests::samples::HEAP;
use cryoscan_tests::scanned::{Files, Part, Scanned, checked, revealing, scan, scan_pipe};
use cryoscan_tests::values;
use serde_json::{Value, json};

const IMAGE: &str = "docker.io/library/counter:1";
const ID: &str = "5f0c0ffee0ddba11c0dedbad5eed0ace5f0c0ffee0ddba11c0dedbad5eed0ace";
const SANDBOX: &str = "0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed0b5e55ed";
const LOG: &str = "(00.000000) Would overwrite RPC settings with values from /etc/criu/crun.conf
(00.000143) Version: 4.1.1 (gitid 0)
(00.000151) Running on worker-2 Linux 6.12.44 #1 SMP x86_64
";

fn token(seed: u64) -> String {
    values::github_token(&mut Random::new(seed))
}

/// A process with a value in its memory.
fn checkpoint(pid: u32, value: &str) -> Checkpoint {
    let heap = Mapping::noise(HEAP, 0x4000, u64::from(pid)).put(HEAP + 0x1800, value);
    Checkpoint::new().process(Process::new(pid, "counter").map(heap))
}

fn records(scanned: &Scanned) -> Vec<&Value> {
    scanned.records.iter().filter(|it| it["type"] == "checkpoint").collect()
}

fn inspect(path: &Path) -> Described {
    scan::inspect(&Target::Path(path.to_owned()), &Settings::default()).unwrap()
}

fn inspect_bytes(bytes: &[u8]) -> Described {
    let files = Files::new();
    inspect(&files.add("target", bytes))
}

/// The checkpoint that the only finding of a value is in, and where it is.
fn home(scanned: &Scanned, value: &str) -> (String, Value) {
    let holds = |it: &&Value| it["secret"]["value"] == value;
    let findings: Vec<&Value> = scanned.records.iter().filter(holds).collect();
    assert_eq!(findings.len(), 1, "{value}: {:#?}", scanned.lines);
    (findings[0]["checkpoint"].as_str().unwrap().to_owned(), findings[0]["places"].clone())
}

fn paths(places: &Value) -> Vec<&str> {
    places.as_array().unwrap().iter().filter_map(|it| it["path"].as_str()).collect()
}

#[test]
fn each_producer_says_who_was_frozen() {
    let value = token(1);
    let pod = json!({
        "name": "counters", "namespace": "default",
        "uid": "00000000-0000-4000-8000-000000000001", "id": SANDBOX,
    });
    let container = |image_id: &str, runtime: &str| {
        json!({"id": ID, "name": "counter", "image": IMAGE, "image_id": image_id,
               "runtime": runtime, "engine_version": null})
    };
    let nobody = json!({"id": null, "name": null, "image": null, "image_id": null,
                        "runtime": null, "engine_version": null});
    let made = "2026-01-02T03:04:05Z";
    let dumped = "2026-01-02T04:05:06Z";
    let reference = "docker.io/library/counter@sha256:00";
    let layer = "11".repeat(32);
    let docker = json!({"id": ID, "name": "counter", "image": "counter:1",
                        "image_id": format!("sha256:{layer}"), "runtime": null,
                        "engine_version": null});
    // The members of an archive were written in that second.
    for (producer, name, container, pod, created, checkpointed) in [
        (Producer::Podman, "podman", container(&layer, "runc"), Value::Null, Some(made), made),
        (Producer::CriO, "cri-o", container(reference, "runc"), pod.clone(), Some(made), dumped),
        (
            Producer::ContainerdCri,
            "containerd-cri",
            container(reference, "io.containerd.runc.v2"),
            pod,
            Some(made),
            dumped,
        ),
        (
            Producer::Docker,
            "docker",
            docker,
            Value::Null,
            Some("2026-01-02T03:04:05.000000001Z"),
            made,
        ),
        (Producer::Runc, "runc", nobody.clone(), Value::Null, None, made),
        (Producer::Criu, "criu", nobody, Value::Null, None, made),
    ] {
        let scanned = checked(&Archive::of(producer, &checkpoint(1, &value)).tar());
        let records = records(&scanned);
        assert_eq!(records.len(), 1, "{name}");
        assert_eq!(records[0]["producer"], name);
        assert_eq!(records[0]["container"], container, "{name}");
        assert_eq!(records[0]["pod"], pod, "{name}");
        assert_eq!(records[0]["created"].as_str(), created, "{name}");
        assert_eq!(records[0]["checkpointed"], checkpointed, "{name}");
        let (_, places) = home(&scanned, &value);
        let image = format!("{}pages-1.img", producer.images_at());
        assert_eq!(places[0]["image"], image, "{name}");
        assert_eq!(places[0]["address"], format!("{:#x}", HEAP + 0x1800));
    }
}

#[test]
fn the_log_of_criu_names_its_version_and_the_node() {
    for (producer, at) in [
        (Producer::CriO, "dump.log".to_owned()),
        (Producer::ContainerdCri, "dump.log".to_owned()),
        (Producer::Runc, "checkpoint/dump.log".to_owned()),
        (Producer::Criu, "dump.log".to_owned()),
        (Producer::Docker, format!("{}criu.work/dump.log", Producer::Docker.images_at())),
    ] {
        let archive = Archive::of(producer, &checkpoint(1, "")).member(&at, LOG);
        for archive in [archive.clone(), archive.order(Order::Reversed)] {
            let tar = archive.tar();
            assert_eq!(records(&checked(&tar))[0]["criu"], "4.1.1", "{producer:?}");
            let described = inspect_bytes(&tar);
            let found = &described.checkpoints[0];
            assert_eq!(found.node.as_deref(), Some("worker-2"), "{producer:?}");
            assert_eq!(found.kernel.as_deref(), Some("6.12.44"));
        }
    }
    // What says nothing of the runtime itself: crun and runc write the same.
    let archive =
        Archive::of(Producer::Runc, &checkpoint(1, "")).member("checkpoint/dump.log", LOG);
    assert_eq!(records(&checked(&archive.tar()))[0]["container"]["runtime"], "crun");
    // A log of the container is none of CRIU's.
    let archive = Archive::of(Producer::CriO, &checkpoint(1, ""))
        .rootfs_diff(&[("dump.log", LOG.as_bytes())], false);
    assert_eq!(records(&checked(&archive.tar()))[0]["criu"], Value::Null);
}

#[test]
fn the_name_of_a_kubelets_archive_dates_what_says_no_time_itself() {
    let files = Files::new();
    let tar = Archive::of(Producer::Runc, &checkpoint(1, "")).tar();
    let a = files.add("checkpoint-a-b_c-d-e-2026-11-21T10:15:07+08:00.tar", &tar);
    let said = Archive::of(Producer::CriO, &checkpoint(1, "")).tar();
    let b = files.add("checkpoint-a_b-c-2026-11-21T02:15:07Z.tar", &said);
    let scanned = scan(&[&a, &b], &revealing());
    let times: Vec<&Value> = records(&scanned).iter().map(|it| &it["checkpointed"]).collect();
    assert_eq!(times, ["2026-11-21T02:15:07Z", "2026-01-02T04:05:06Z"]);
    // No name is told from the file.
    assert_eq!(records(&scanned)[0]["container"]["name"], Value::Null);
}

#[test]
fn real_archives_of_kubernetes_say_all_that_is_in_them() {
    for (name, producer, runtime) in [
        ("kubelet-crio", "cri-o", "runc"),
        ("kubelet-containerd", "containerd-cri", "io.containerd.runc.v2"),
    ] {
        let path = fixtures::folder().join(name).join("checkpoint.tar.zst");
        let scanned = scan(&[&path], &revealing());
        assert_eq!(scanned.whole().faults(), Vec::<String>::new());
        let record = records(&scanned)[0];
        assert_eq!(record["producer"], producer);
        assert_eq!(record["compression"], "zstd");
        assert_eq!(record["container"]["name"], "counter");
        assert_eq!(record["container"]["runtime"], runtime);
        assert_eq!(record["container"]["id"].as_str().unwrap().len(), 64);
        assert!(
            record["container"]["image"].as_str().unwrap().ends_with("/example/counter:latest")
        );
        assert!(record["container"]["image_id"].as_str().unwrap().len() >= 64);
        assert_eq!(
            (&record["pod"]["name"], &record["pod"]["namespace"]),
            (&json!("counters"), &json!("default"))
        );
        assert_eq!(record["pod"]["uid"].as_str().unwrap().len(), 36);
        assert_eq!(record["pod"]["id"].as_str().unwrap().len(), 64);
        assert_eq!(record["created"], "2026-11-21T02:10:00.5Z");
        assert_eq!(record["checkpointed"], "2026-11-21T02:15:07.123456789Z");
        assert_eq!(record["criu"], "4.2");
        let places = |path: &str| {
            let places = scanned.records.iter().filter_map(|it| it["places"].as_array()).flatten();
            places.filter(|it| it["path"] == path).count()
        };
        assert!(places("rootfs-diff.tar!etc/app/tls.key") > 0, "{name}");
        let described = inspect(&path);
        let found = &described.checkpoints[0];
        assert_eq!(found.node.as_deref(), Some("worker-2"));
        if producer == "cri-o" {
            assert_eq!(found.addresses, ["10.88.0.23"]);
        } else {
            assert_eq!(found.started.as_deref(), Some("2025-11-21T08:00:01Z"));
        }
        assert!(described.diagnostics.is_empty(), "{:?}", described.diagnostics);
    }
}

#[test]
fn the_log_of_a_container_is_searched_under_the_names_of_both_engines() {
    for (producer, name) in [
        (Producer::CriO, "io.kubernetes.cri-o.LogPath"),
        (Producer::ContainerdCri, "container.log"),
        (Producer::Podman, "ctr.log"),
    ] {
        let value = token(7);
        let line = format!("2026-01-02T03:04:05Z stdout F token={value}\n");
        let scanned = checked(&Archive::of(producer, &checkpoint(1, "")).member(name, line).tar());
        let (_, places) = home(&scanned, &value);
        assert_eq!((&places[0]["region"], &places[0]["path"]), (&json!("log"), &json!(name)));
    }
}

#[test]
fn a_pre_checkpoint_is_a_pre_dump_of_podmans() {
    let value = token(2);
    let archive = Archive::pre_checkpoint(&checkpoint(1, &value));
    for archive in [archive.clone(), archive.order(Order::Reversed)] {
        let scanned = checked(&archive.tar());
        let record = records(&scanned)[0];
        assert_eq!(record["producer"], "podman");
        assert_eq!(record["container"]["name"], "counter");
        assert_eq!(record["container"]["image"], IMAGE);
        assert_eq!(home(&scanned, &value).1[0]["image"], "pre-checkpoint/pages-1.img");
        assert!(!scanned.whole().is_incomplete());
        // Nothing is missing of it.
        assert_eq!(scanned.whole().notes("process-incomplete").count(), 0);
        assert!(inspect_bytes(&archive.tar()).checkpoints[0].pre_dump);
    }
}

#[test]
fn what_a_container_removed_of_its_image_is_listed() {
    let set = checkpoint(1, "");
    let layer: [(&str, &[u8]); 4] = [
        ("etc/.wh.motd", b""),
        ("var/cache/.wh..wh..opq", b""),
        ("var/cache/new", b"x"),
        (".wh..wh.plnk", b""),
    ];
    let podman =
        Archive::of(Producer::Podman, &set).member("deleted.files", r#"["/etc/motd","/opt/gone"]"#);
    let none = Archive::of(Producer::CriO, &set).member("deleted.files", "null");
    let cri = Archive::of(Producer::ContainerdCri, &set).rootfs_diff(&layer, true);
    let images = Archive::of(Producer::Criu, &set);
    let changes =
        layer.iter().fold(Archive::default(), |it, (name, bytes)| it.member(name, *bytes));
    let native = Archive::containerd(&images, Some(&changes));
    for (archive, expected) in [
        (&podman, &["/etc/motd", "/opt/gone"][..]),
        (&none, &[]),
        (&cri, &["/etc/motd", "/var/cache/"]),
        (&native, &["/etc/motd", "/var/cache/"]),
    ] {
        let described = inspect_bytes(&archive.tar());
        assert_eq!(described.checkpoints[0].deleted, expected);
        assert!(described.diagnostics.is_empty(), "{:?}", described.diagnostics);
    }
}

#[test]
fn annotations_of_every_family_name_a_checkpoint_that_says_nothing_itself() {
    let value = token(3);
    let bare = Archive::default().images("checkpoint/", &checkpoint(1, &value));
    for (kind, producer, version, pod) in [
        (Image::Podman, "podman", "5.1.0", Value::Null),
        (Image::CriO, "cri-o", "1.34.0", Value::Null),
        (
            Image::Checkpointctl,
            "cri-o",
            "1.34.0",
            json!({"name": "counters", "namespace": "default",
                   "uid": "00000000-0000-4000-8000-000000000001", "id": null}),
        ),
    ] {
        for archive in [Archive::image(kind, &bare, true), Archive::dir(kind, &bare)] {
            let scanned = checked(&archive.tar());
            let record = records(&scanned)[0];
            assert_eq!(record["producer"], producer, "{kind:?}");
            assert_eq!(record["container"]["name"], "counter");
            assert_eq!(record["container"]["image"], IMAGE);
            assert_eq!(record["container"]["engine_version"], version);
            assert_eq!(record["pod"], pod);
            if kind == Image::Podman {
                assert_eq!(record["container"]["runtime"], "crun");
                assert_eq!(record["criu"], "4.2");
            }
            let (_, places) = home(&scanned, &value);
            let image = places[0]["image"].as_str().unwrap();
            assert!(image.ends_with("!checkpoint/pages-1.img"), "{image}");
            assert!(scanned.outcome.complete, "{:?}", scanned.lines);
        }
    }
}

#[test]
fn what_docker_saved_is_known_by_its_content_and_its_tag() {
    let value = token(4);
    let layer = Archive::of(Producer::Podman, &checkpoint(1, &value));
    for linked in [false, true] {
        let archive = Archive::docker_save(&layer, "localhost/ck:1", linked);
        let scanned = checked(&archive.tar());
        let record = records(&scanned)[0];
        assert_eq!(record["producer"], "podman");
        assert_eq!(record["container"]["name"], "counter");
        home(&scanned, &value);
        let reference = |described: Described| described.checkpoints[0].reference.clone();
        assert_eq!(reference(inspect_bytes(&archive.tar())).as_deref(), Some("localhost/ck:1"));
        let folder = archive.folder();
        assert_eq!(reference(inspect(folder.path())).as_deref(), Some("localhost/ck:1"));
        assert_eq!(records(&scan(&[folder.path()], &revealing())).len(), 1);
    }
}

#[test]
fn links_out_of_an_archive_or_folder_are_not_followed() {
    let files = Files::new();
    let value = token(5);
    files.add("secret", value.as_bytes());
    let outside = files.add(
        "outside/layer.tar",
        Archive::of(Producer::Podman, &checkpoint(1, &value)).tar().as_slice(),
    );
    let layer = Archive::of(Producer::Podman, &checkpoint(2, ""));
    let archive = Archive::docker_save(&layer, "a:1", false)
        .link("deadbeef/layer.tar", outside.to_str().unwrap())
        .link("checkpoint/parent", "../../../../outside")
        .link("config.dump", "../secret");
    let folder = archive.folder();
    for scanned in [checked(&archive.tar()), scan(&[folder.path()], &revealing())] {
        assert!(!scanned.lines.iter().any(|line| line.contains(&value)));
        assert_eq!(records(&scanned).len(), 1);
    }
}

#[test]
fn each_platform_of_an_image_is_a_checkpoint_of_its_own() {
    let values = [token(10), token(11)];
    let layer = |pid, value| Archive::default().images("checkpoint/", &checkpoint(pid, value));
    let (first, second) = (layer(1, &values[0]), layer(2, &values[1]));
    let archive = Archive::platforms(&[(Image::Podman, &first), (Image::Checkpointctl, &second)]);
    let scanned = checked(&archive.tar());
    let mut producers: Vec<(&Value, &Value)> =
        records(&scanned).iter().map(|it| (&it["producer"], &it["pod"]["name"])).collect();
    producers.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(
        producers,
        [(&json!("cri-o"), &json!("counters")), (&json!("podman"), &Value::Null)]
    );
    let homes: Vec<String> = values.iter().map(|value| home(&scanned, value).0).collect();
    assert_ne!(homes[0], homes[1]);
    let references = inspect_bytes(&archive.tar()).checkpoints.into_iter().map(|it| it.reference);
    assert_eq!(
        references.collect::<Vec<_>>(),
        [Some("localhost/checkpoint:all".to_owned()), Some("localhost/checkpoint:all".to_owned())]
    );
}

#[test]
fn containerds_own_index_names_image_runtime_and_changed_files() {
    let values = [token(12), token(13)];
    let images =
        Archive::of(Producer::Criu, &checkpoint(1, &values[0])).member("descriptors.json", "[]");
    let changes = Archive::default().member("root/.netrc", format!("password {}", values[1]));
    let scanned = checked(&Archive::containerd(&images, Some(&changes)).tar());
    let record = records(&scanned)[0];
    assert_eq!(record["producer"], "containerd");
    assert_eq!(
        record["container"],
        json!({"id": "ck1", "name": null, "image": IMAGE, "image_id": null,
               "runtime": "io.containerd.runc.v2", "engine_version": null})
    );
    let (_, places) = home(&scanned, &values[1]);
    assert!(paths(&places)[0].ends_with("!root/.netrc"), "{places}");
    home(&scanned, &values[0]);
}

/// Both containers of a pod: one of CRI-O, one that says nothing of itself.
fn pod_members(values: &[String; 3]) -> [Archive; 2] {
    let files: [(&str, &[u8]); 1] = [("etc/token", values[2].as_bytes())];
    [
        Archive::of(Producer::CriO, &checkpoint(1, &values[0])),
        Archive::default()
            .images("checkpoint/", &checkpoint(2, &values[1]))
            .rootfs_diff(&files, true),
    ]
}

#[test]
fn the_containers_of_a_pod_are_checkpoints_of_their_own() {
    let values = [token(20), token(21), token(22)];
    let [web, db] = pod_members(&values);
    let members = [("web", &web), ("db", &db)];
    for (archive, uid) in [
        (Archive::pod_folders(&members), Value::Null),
        (Archive::pod_archives(&members), json!("u-1")),
    ] {
        let folder = archive.folder();
        let ways = [
            checked(&archive.tar()),
            checked(&archive.clone().order(Order::Shuffled(5)).zstd()),
            scan(&[folder.path()], &revealing()),
        ];
        for scanned in ways {
            assert_eq!(scanned.whole().faults(), Vec::<String>::new());
            let records = records(&scanned);
            let [web, db] = ["counter", "db"].map(|name| {
                let of = |it: &&&Value| it["container"]["name"] == name;
                *records.iter().find(of).unwrap_or_else(|| panic!("{name}: {records:#?}"))
            });
            assert_eq!(records.len(), 2);
            assert_eq!((&web["producer"], &db["producer"]), (&json!("cri-o"), &json!("pod")));
            // Its own metadata come first.
            assert_eq!(web["pod"]["name"], "counters");
            assert_eq!(
                db["pod"],
                json!({"name": "shop", "namespace": "prod", "uid": uid, "id": "5a".repeat(32)})
            );
            assert_eq!(db["container"]["id"].as_str().unwrap().len(), 64);
            let name = |record: &Value| record["checkpoint"].as_str().unwrap().to_owned();
            assert_eq!(home(&scanned, &values[0]).0, name(web));
            assert_eq!(home(&scanned, &values[1]).0, name(db));
            let (of, places) = home(&scanned, &values[2]);
            assert_eq!(of, name(db));
            assert!(paths(&places)[0].ends_with("rootfs-diff.tar!etc/token"), "{places}");
        }
    }
}

#[test]
fn checkpoints_in_one_archive_inside_another_keep_what_is_theirs() {
    let values = [token(20), token(21), token(22)];
    let named = [token(23), token(24)];
    let [web, db] = pod_members(&values);
    let web = web.member("extra/own.log", format!("{}\n", named[0]));
    let db = db.member("extra/own.log", format!("{}\n", named[1]));
    let inner = Archive::pod_folders(&[("web", &web), ("db", &db)]);
    for packed in [inner.tar(), inner.gzip(), Archive::default().member("i.tar", inner.tar()).tar()]
    {
        let outer = Archive::default().member("pod.tar", packed);
        for scanned in [
            checked(&outer.tar()),
            checked(&outer.zstd()),
            scan(&[outer.folder().path()], &revealing()),
        ] {
            assert_eq!(scanned.whole().faults(), Vec::<String>::new());
            assert_eq!(records(&scanned).len(), 2);
            let of = |value: &String| home(&scanned, value).0;
            assert_eq!(of(&values[0]), of(&named[0]));
            assert_eq!(of(&values[1]), of(&named[1]));
            assert_eq!(of(&values[2]), of(&named[1]));
            assert_ne!(of(&values[0]), of(&values[1]));
        }
    }
}

#[test]
fn archives_beside_unpacked_checkpoints_are_targets_of_their_own() {
    let values: Vec<String> = (30..36).map(token).collect();
    let files = Files::new();
    let unpacked = |name: &str, archive: &Archive| {
        for (file, bytes) in archive.files() {
            files.add(&format!("{name}/{file}"), bytes);
        }
    };
    let changed: [(&str, &[u8]); 1] = [("etc/token", values[3].as_bytes())];
    let tar = files.add("m.tar", &Archive::of(Producer::Podman, &checkpoint(1, &values[0])).tar());
    let root = tar.parent().unwrap();
    files.add("sub/k.tar.gz", &Archive::of(Producer::CriO, &checkpoint(2, &values[1])).gzip());
    unpacked(
        "b",
        &Archive::of(Producer::ContainerdCri, &checkpoint(3, &values[2]))
            .rootfs_diff(&changed, true),
    );
    unpacked("z", &Archive::of(Producer::Runc, &checkpoint(4, &values[4])));
    files.add("backup.tar", &Archive::default().member("notes", values[5].as_bytes()).tar());
    files.add(".m.tar.part", &Archive::of(Producer::Podman, &checkpoint(9, "")).tar());
    let scanned = scan(&[root], &revealing());
    let shown = |path: &str| format!("{}{path}", root.to_str().unwrap());
    let said: Vec<(String, &str, &str)> = records(&scanned)
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap();
            (text("target").to_owned(), text("producer"), text("compression"))
        })
        .collect();
    assert_eq!(
        said,
        [
            (shown("/m.tar"), "podman", "none"),
            (shown("/sub/k.tar.gz"), "cri-o", "gzip"),
            (shown("!b"), "containerd-cri", "none"),
            (shown("!z"), "runc", "none"),
        ]
    );
    for (value, of) in values.iter().zip(["c1", "c2", "c3", "c3", "c4"]) {
        assert_eq!(home(&scanned, value).0, of, "{value}");
    }
    assert_eq!(paths(&home(&scanned, &values[3]).1), ["b/rootfs-diff.tar!etc/token"]);
    // No checkpoint, and searched all the same.
    assert_eq!(paths(&home(&scanned, &values[5]).1), ["backup.tar!notes"]);
    assert!(scanned.outcome.complete && scanned.outcome.failed.is_empty(), "{:?}", scanned.lines);
    let described = inspect(root);
    let images: Vec<String> =
        described.checkpoints.iter().map(|it| format!("{}|{}", it.outer, it.set)).collect();
    assert_eq!(
        images,
        ["m.tar|checkpoint", "sub/k.tar.gz|checkpoint", "|b/checkpoint", "|z/checkpoint"]
    );
}

#[test]
fn a_stray_manifest_among_archives_costs_nothing() {
    let files = Files::new();
    let tar = files.add("a.tar", &Archive::of(Producer::Podman, &checkpoint(1, "")).tar());
    let root = tar.parent().unwrap();
    files.add("web/manifest.json", b"{}");
    let scanned = scan(&[root], &revealing());
    assert_eq!(records(&scanned).len(), 1);
    assert!(scanned.outcome.complete && scanned.outcome.failed.is_empty(), "{:?}", scanned.lines);
    // What should be a checkpoint and is none is no trifle.
    files.add("torn/spec.dump", b"{}");
    assert!(!scan(&[root], &revealing()).outcome.complete);
}

#[test]
fn a_folder_of_archives_is_inspected_whole() {
    let files = Files::new();
    let first = files.add("a.tar", &Archive::of(Producer::Podman, &checkpoint(1, "")).tar());
    files.add("n/b.tar.zst", &Archive::of(Producer::Runc, &checkpoint(2, "")).zstd());
    let torn = Archive::of(Producer::Criu, &checkpoint(3, "")).cut_in("pages-1.img", 4096).tar();
    files.add("n/c.tar", &torn);
    files.add("readme.txt", b"no archive");
    files.add("z.tar", &Archive::default().member("x", "no checkpoint").tar());
    let described = inspect(first.parent().unwrap());
    let outer: Vec<&str> = described.checkpoints.iter().map(|it| it.outer.as_str()).collect();
    assert_eq!(outer, ["a.tar", "n/b.tar.zst", "n/c.tar"]);
    let members: Vec<&str> = described.diagnostics.iter().map(|it| it.member.as_str()).collect();
    for end in ["n/c.tar!pages-1.img", "/readme.txt", "/z.tar"] {
        assert!(members.iter().any(|member| member.ends_with(end)), "{end}: {members:?}");
    }
    let none = scan::inspect(
        &Target::Path(files.add("empty/.keep", b"").parent().unwrap().to_owned()),
        &Settings::default(),
    );
    assert!(matches!(none, Err(scan::ScanError::NoneInFolder(_))));
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_told_and_scanned() {
    let value = token(40);
    let layer = Archive::default().images("checkpoint/", &checkpoint(1, &value));
    let whole = Archive::image(Image::Podman, &layer, true);
    let noted = |scanned: &Scanned| -> Vec<String> {
        let whole = scanned.whole();
        let notes = whole.notes("digest-mismatch");
        notes.map(|note| format!("{} {}", note["member"], note["expected"])).collect()
    };
    assert_eq!(noted(&checked(&whole.tar())), Vec::<String>::new());
    let replaced = |wanted: fn(&[u8]) -> bool, by: &dyn Fn(&[u8]) -> Vec<u8>| {
        whole.files().fold(Archive::default(), |archive, (name, bytes)| {
            let hit = name.starts_with("blobs/") && wanted(bytes);
            archive.member(name, if hit { by(bytes) } else { bytes.to_vec() })
        })
    };
    let gzip = |bytes: &[u8]| bytes.starts_with(&[0x1f, 0x8b]);
    let manifest = |bytes: &[u8]| bytes.windows(6).any(|it| it == b"layers");
    let spaced = |bytes: &[u8]| [bytes, b" "].concat();
    // The operating system in the header of gzip: as long, and another file.
    let other_os = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[9] ^= 1;
        bytes
    };
    for (archive, count) in [
        (replaced(manifest, &spaced), 2),
        (replaced(gzip, &other_os), 1),
        (replaced(|bytes| bytes.starts_with(b"never"), &spaced), 0),
    ] {
        let scanned = checked(&archive.tar());
        let notes = noted(&scanned);
        assert_eq!(notes.len(), count, "{notes:?}");
        assert!(scanned.whole().holds(&value) && scanned.outcome.complete);
        assert_eq!(noted(&scan_pipe(&archive.zstd(), &revealing())), notes);
        assert_eq!(noted(&scan(&[archive.folder().path()], &revealing())), notes);
    }
    // A layer that is not compressed is longer than the manifest says.
    let plain = Archive::image(Image::Podman, &layer, false);
    let longer = plain.files().fold(Archive::default(), |archive, (name, bytes)| {
        let is_layer = name.starts_with("blobs/") && bytes.len() > 0x4000;
        archive.member(name, if is_layer { [bytes, &[0; 512]].concat() } else { bytes.to_vec() })
    });
    let scanned = checked(&longer.tar());
    assert_eq!(noted(&scanned).len(), 1, "{:?}", scanned.lines);
    assert!(scanned.whole().holds(&value));
}

#[test]
fn folders_of_several_docker_containers_keep_what_is_theirs() {
    let values = [token(50), token(51)];
    let other = "6".repeat(64);
    let of = |pid, value: &str| {
        let process = Process::new(pid, "counter").environ(&[&format!("GH_TOKEN={value}")]);
        Archive::of(Producer::Docker, &Checkpoint::new().process(process))
    };
    let both = of(2, &values[1]).files().fold(of(1, &values[0]), |archive, (name, bytes)| {
        let bytes = String::from_utf8(bytes.to_vec()).map_or(bytes.to_vec(), |text| {
            text.replace(ID, &other).replace("/counter", "/second").into_bytes()
        });
        archive.member(&name.replace(ID, &other), bytes)
    });
    let scanned = checked(&both.tar());
    let names: Vec<&Value> = records(&scanned).iter().map(|it| &it["container"]["name"]).collect();
    assert_eq!(names, ["counter", "second"]);
    for (value, (name, id)) in values.iter().zip([("c1", ID), ("c2", &other)]) {
        let (of, places) = home(&scanned, value);
        assert_eq!(of, name);
        assert!(paths(&places).contains(&format!("{id}/config.v2.json").as_str()), "{places}");
    }
}

#[test]
fn a_checkpoint_of_docker_without_its_containers_folder_says_what_is_missing() {
    let folder = Archive::of(Producer::Docker, &checkpoint(1, "")).folder();
    let alone = folder.path().join(Producer::Docker.images_at());
    let scanned = scan(&[&alone], &revealing());
    let record = records(&scanned)[0];
    assert_eq!((&record["producer"], &record["container"]["id"]), (&json!("docker"), &json!(ID)));
    let notes = scanned.whole().of("coverage").next().unwrap()["notes"].to_string();
    assert!(notes.contains("config.v2.json"), "{notes}");
    let whole = scan(&[folder.path()], &revealing());
    let notes = whole.whole().of("coverage").next().unwrap()["notes"].to_string();
    assert!(!notes.contains("config.v2.json"), "{notes}");
}

#[test]
fn docker_17_noted_when_it_made_a_checkpoint() {
    let at = Producer::Docker.images_at();
    let note = r#"{"created":"2017-05-06T07:08:09.5+02:00","name":"cp1","tcp":false,"exit":true}"#;
    let value = token(52);
    let archive = Archive::of(Producer::Docker, &checkpoint(1, ""))
        .member(&format!("{at}config.json"), note)
        .member(&format!("{at}criu.work/2017-05-06T07:08:09Z/dump.log"), format!("{LOG}{value}\n"));
    let scanned = checked(&archive.tar());
    assert_eq!(records(&scanned)[0]["checkpointed"], "2017-05-06T05:08:09.5Z");
    assert_eq!(home(&scanned, &value).1[0]["region"], "log");
}

#[test]
fn a_checkpoint_that_podman_has_not_exported_is_known_by_its_bundle() {
    let value = token(53);
    let spec = json!({
        "ociVersion": "1.1.0", "hostname": "counter",
        "process": {"args": ["counter"], "env": [format!("GH_TOKEN={value}")]},
        "annotations": {"io.container.manager": "libpod"},
    });
    let at = format!("overlay-containers/{ID}/userdata");
    let archive = Archive::default()
        .images(&format!("{at}/checkpoint/"), &checkpoint(1, ""))
        .member(&format!("{at}/checkpoint/descriptors.json"), "[]")
        .member(&format!("{at}/config.json"), spec.to_string());
    let scanned = checked(&archive.tar());
    let record = records(&scanned)[0];
    assert_eq!((&record["producer"], &record["container"]["id"]), (&json!("podman"), &json!(ID)));
    assert_eq!(paths(&home(&scanned, &value).1), [format!("{at}/config.json")]);
    // Any other file of the name is a file.
    let other = Archive::of(Producer::Runc, &checkpoint(1, ""))
        .member("checkpoint/config.json", format!(r#"{{"token":"{value}"}}"#));
    assert_eq!(home(&checked(&other.tar()), &value).1[0]["region"], "file");
}

#[test]
fn metadata_of_other_shapes_cost_names_and_nothing_else() {
    let value = token(60);
    let names = [
        "config.dump",
        "spec.dump",
        "status.dump",
        "status",
        "network.status",
        "bind.mounts",
        "deleted.files",
        "checkpoint/descriptors.json",
        "config.v2.json",
        "hostconfig.json",
        "index.json",
        "oci-layout",
        "manifest.json",
        "pod.options",
        "checkpoint-manifest.json",
        "pod-config.json",
        "config.json",
    ];
    let deep = "[".repeat(100_000);
    let texts: [&str; 12] = [
        "",
        "null",
        "[]",
        "{}",
        "7",
        "\"text\"",
        "[null]",
        r#"{"annotations":null,"labels":null}"#,
        r#"{"id":7,"name":[],"containers":{"a":null},"annotations":{"a":1}}"#,
        r#"{"ociVersion":null,"annotations":[]}"#,
        r#"{"created":1}"#,
        &deep,
    ];
    let files = Files::new();
    let paths: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let archive = Archive::default().images("checkpoint/", &checkpoint(1, &value));
            let archive = names.iter().fold(archive, |archive, name| archive.member(name, *text));
            files.add(&format!("{index}.tar"), &archive.tar())
        })
        .collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let scanned = scan(&paths, &revealing());
    for (part, text) in scanned.parts(&paths).into_iter().zip(texts) {
        let shown = text.get(..80).unwrap_or(text);
        assert_eq!(part.faults(), Vec::<String>::new(), "{shown}");
        assert!(part.holds(&value) && !part.is_incomplete(), "{shown}");
    }
}

#[test]
fn empty_maps_of_go_are_no_fault() {
    let spec = r#"{"annotations":null,"mounts":null,"linux":null,"hostname":"h"}"#;
    let status = r#"{"labels":null,"image":{},"metadata":{"name":"n"},"created_at":0}"#;
    let archive = Archive::default()
        .images("checkpoint/", &checkpoint(1, ""))
        .member("spec.dump", spec)
        .member("status.dump", status);
    let scanned = checked(&archive.tar());
    let part: Part<'_> = scanned.whole();
    assert_eq!(part.notes("metadata-malformed").count(), 0);
    let record = records(&scanned)[0];
    assert_eq!(
        (&record["producer"], &record["container"]["name"]),
        (&json!("containerd-cri"), &json!("n"))
    );
}
