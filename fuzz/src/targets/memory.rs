//! Address spaces: `mm`, `pagemap` and `pages` of any content, joined and laid out.

use cryoscan_tests::builder::{
    Checkpoint, Mapping, Order, PageCount, Process, Producer, Segment, hostile,
};

use crate::Target;
use crate::files::{join, split};
use crate::scanning::{checkpoint_with, file, pipe, settings};

pub(crate) const TARGET: Target = Target {
    name: "memory",
    about: "pagemaps, mappings, shared segments and pages of any content, in two orders",
    run,
    seeds,
    rounds: 600,
};

/// Files of one input.
const MOST: usize = 24;

fn run(data: &[u8]) {
    let files = split(data);
    let images = files.iter().take(MOST).map(|(name, content)| (name.as_str(), content.as_slice()));
    let archive = checkpoint_with(Producer::Runc, [], images);
    let settings = settings();
    let stored = file(&archive.tar(), &settings);
    stored.check();
    pipe(&archive.order(Order::Reversed).tar(), &settings).check();
}

fn seeds() -> Vec<Vec<u8>> {
    const AT: u64 = 0x5555_0000_0000;
    let heap = || Mapping::noise(AT, 0x3000, 1);
    let process = |heap: Mapping| Process::new(7, "sh").map(heap);
    let plain = Checkpoint::new().process(process(heap()));
    let holes = process(heap().absent(AT + 0x1000).in_parent(AT + 0x2000).lazy(AT, true));
    let shared = Segment::memfd(9, "cache", Mapping::noise(0, 0x2000, 2));
    let mapper = process(heap()).map_shared(0x7000_0000_0000, 9, 0x1000, 0x1000);
    let mut sets = vec![
        plain.clone(),
        plain.clone().compressed(1),
        plain.clone().compressed(4),
        plain.clone().framed_v1().page_count(PageCount::Field2),
        plain.clone().entry_pages(1).page_size(0x1000),
        Checkpoint::new().process(holes),
        Checkpoint::new().segment(shared).process(mapper),
        Checkpoint::new().segment(Segment::sysv(9, Mapping::noise(0, 0x1000, 3))),
    ];
    for entry in [
        hostile::huge_count(AT),
        hostile::address_overflow(),
        hostile::overlapping(AT),
        hostile::unaligned(AT),
    ] {
        sets.push(plain.clone().pagemap_entry(7, entry));
    }
    sets.iter()
        .map(|set| {
            let set = set.image_set();
            let wanted = |name: &str| {
                ["mm-", "pagemap-", "pages-", "memfd", "ipcns", "files", "inventory", "pstree"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            };
            let files = set.iter().filter(|(name, _)| wanted(name));
            join(files.map(|(name, content)| (name.as_str(), content.as_slice())))
        })
        .collect()
}
