//! Reports made earlier, as a gate reads them.

use std::io::Write;

use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::random::Random;
use cryoscan_tests::values;

use crate::Target;
use crate::scanning::{pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "reports",
    about: "JSON Lines of any content: an error of one line, or whole reports",
    run,
    seeds,
    rounds: 1000,
};

fn run(data: &[u8]) {
    match cryoscan::cli::count_reports(&mut &*data) {
        Ok(count) => assert!(count > 0),
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && !error.contains(['\n', '\r']), "{error:?}");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let token = values::github_token(&mut Random::new(1));
    let heap = Mapping::zero(0x5555_0000_0000, 0x1000).put(0x5555_0000_0010, token);
    let checkpoint = Checkpoint::new().process(Process::new(1, "sh").map(heap));
    let archive = Archive::of(Producer::Podman, &checkpoint).member("checkpoint/mm-9.img", "x");
    let scanned = pipe(&archive.tar(), &settings());
    let mut report = Vec::new();
    for value in &scanned.values {
        writeln!(report, "{value}").expect("writing to memory");
    }
    let rest: Vec<&str> = vec![
        r#"{"type":"summary","verdict":"findings","findings":{"critical":1,"high":0,"medium":0,"low":0,"info":0},"checkpoints":1,"complete":false,"exit":3}"#,
    ];
    let whole = [&report, rest[0].as_bytes(), b"\n"].concat();
    vec![whole.clone(), report, whole.repeat(2), b"{}\n".to_vec(), b"\n\n[".to_vec()]
}
