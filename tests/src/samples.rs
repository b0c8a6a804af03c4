//! Checkpoints whose secrets stand where a scanner could lose them: at the borders of pages, of the
//! 64 KiB cells that are counted by, and of windows; in long texts, in UTF-16 at odd addresses, in
//! shared segments, arguments, files and archives inside of files.

mod soup;

pub use soup::soup;

use crate::builder::{ARGUMENTS, Archive, Checkpoint, Kind, Mapping, Process, Producer, Segment};
use crate::random::Random;
use crate::values;

/// Bytes of a cell.
pub const CELL: u64 = 64 << 10;
/// The heap of the first process of [`rich`].
pub const HEAP: u64 = 0x5555_5000_0000;
/// Shared memory of [`rich`] in the first process.
pub const SHARED: u64 = 0x7000_0000_0000;

const LETTERS: &[u8] = b"etaoin shrdlu cmfwyp vbgkqj xz etaoin\n";
/// Bytes of the heap.
const HEAP_LENGTH: u64 = 10 * CELL;

/// A value, and everywhere in memory and in files where it was put.
#[derive(Debug, Clone)]
pub struct Sown {
    /// The value.
    pub value: String,
    /// Process and address.
    pub memory: Vec<(u32, u64)>,
    /// Path chain and offset.
    pub files: Vec<(&'static str, u64)>,
    /// Bytes of a character.
    pub width: usize,
}

/// An archive and the values in it.
#[derive(Debug)]
pub struct Sample {
    /// The image set.
    pub checkpoint: Checkpoint,
    /// The archive that the producer makes of it.
    pub archive: Archive,
    /// Values that have a place of their own.
    pub sown: Vec<Sown>,
}

/// Makes values and remembers where they were put.
struct Sower {
    random: Random,
    sown: Vec<Sown>,
}

impl Sower {
    fn note(&mut self, value: &str, memory: &[(u32, u64)], files: &[(&'static str, u64)]) {
        let (value, width) = (value.to_owned(), 1);
        let (memory, files) = (memory.to_vec(), files.to_vec());
        self.sown.push(Sown { value, memory, files, width });
    }

    fn token(&mut self, places: &[(u32, u64)]) -> String {
        let token = values::github_token(&mut self.random);
        self.note(&token, places, &[]);
        token
    }

    /// A mapping of `pid` with a new token at each of the offsets.
    fn tokens(&mut self, pid: u32, start: u64, mut mapping: Mapping, offsets: &[u64]) -> Mapping {
        for offset in offsets {
            let token = self.token(&[(pid, start + offset)]);
            mapping = mapping.put(start + offset, token);
        }
        mapping
    }

    fn wide(&mut self, pid: u32, address: u64, mapping: Mapping) -> Mapping {
        let token = self.token(&[(pid, address)]);
        self.widen();
        mapping.put_utf16(address, &token)
    }

    /// Says that the last value stands in UTF-16.
    fn widen(&mut self) {
        if let Some(last) = self.sown.last_mut() {
            last.width = 2;
        }
    }

    fn text(&mut self, length: u64) -> Vec<u8> {
        let length = usize::try_from(length).unwrap_or(0);
        self.random.text(LETTERS, length).into_bytes()
    }

    /// The heap of the first process, and a file mapping that touches it.
    fn heap(&mut self) -> [Mapping; 2] {
        let length = usize::try_from(HEAP_LENGTH).unwrap_or(0);
        let heap = Mapping::noise(HEAP, length, 1).kind(Kind::Heap);
        let borders = [0, 0x1000 - 20, CELL - 20, 2 * CELL - 40, 3 * CELL];
        let mut heap = self.tokens(1, HEAP, heap, &borders);
        heap = self.wide(1, HEAP + 4 * CELL - 41, heap);
        heap = self.wide(1, HEAP + 0x1_2345, heap);
        let pem = values::pem_private_key(&mut self.random);
        let at = HEAP + 5 * CELL - 100;
        self.note(pem.trim_end(), &[(1, at)], &[]);
        heap = heap.put(at - 1, format!("\0{pem}\0"));
        let claims = r#"{"iss":"https://id.example","sub":"svc","exp":4102444800}"#;
        let jwt = values::jwt(values::Algorithm::Rs256, b"", claims, &mut self.random);
        let at = HEAP + 6 * CELL - 300;
        self.note(&jwt, &[(1, at)], &[]);
        heap = heap.put(at - 1, format!("\0{jwt}\0"));
        let (id, secret) = values::aws_pair(123_456_789_012, &mut self.random);
        let at = HEAP + 7 * CELL - 150;
        self.note(&id, &[(1, at + 20)], &[]);
        heap = heap.put(at - 1, format!("\0aws_access_key_id = {id}\n\0"));
        let label = "aws_secret_access_key = ";
        let at = HEAP + 7 * CELL + 120;
        self.note(&secret, &[(1, at + label.len() as u64)], &[]);
        heap = heap.put(at - 1, format!("\0{label}{secret}\n\0"));
        let (uri, _) = values::connection_string("postgres", &mut self.random);
        let at = HEAP + 8 * CELL - 10;
        heap = heap.put(at - 1, format!("\0{uri}\0"));
        let copies: Vec<(u32, u64)> = (0..60).map(|i| (1, HEAP + 0x5_4000 + i * 0x301)).collect();
        let copied = self.token(&copies);
        for (_, at) in copies {
            heap = heap.put(at, &copied);
        }
        let across = self.token(&[(1, HEAP + HEAP_LENGTH - 13)]);
        let (left, right) = across.split_at(13);
        let heap = heap.put(HEAP + HEAP_LENGTH - 13, left);
        let file = Mapping::noise(HEAP + HEAP_LENGTH, 0x2000, 2)
            .kind(Kind::File("/usr/lib/libapp.so".to_owned()))
            .prot(1)
            .put(HEAP + HEAP_LENGTH, right);
        let file = self.tokens(1, HEAP + HEAP_LENGTH, file, &[0x2000 - 40]);
        [heap, file]
    }

    /// Text without any other byte in it, longer than a window looks around.
    fn long_text(&mut self) -> Mapping {
        let start = 0x6000_0000_0000;
        let mut text = self.text(4 * CELL);
        for at in (4000..4 * CELL - 100).step_by(5003) {
            put(&mut text, at, b"1234-5678");
        }
        for at in [CELL - 4, 2 * CELL - 9, 3 * CELL - 8] {
            put(&mut text, at, b"8765-4321");
            put(&mut text, at + 300, b" RANDOM_42_KEY ");
        }
        let mut mapping = Mapping::zero(start, text.len()).put(start, &text);
        for at in [CELL - 1000, 2 * CELL - 400, 3 * CELL - 30] {
            let password = values::password(20, &mut self.random);
            let line = format!("\nexport APP_DB_PASSWORD={password}\n");
            mapping = mapping.put(start + at, line);
        }
        let borders = [1, CELL + 40, 2 * CELL - 1, 3 * CELL + 900, 4 * CELL - 40];
        self.tokens(1, start, mapping, &borders)
    }

    /// The same in UTF-16 at an odd address.
    fn long_wide_text(&mut self) -> Mapping {
        let start = 0x6100_0000_0000;
        let mut text = self.text(CELL + CELL / 4);
        put(&mut text, 0x7ffc, b"1234-5678");
        put(&mut text, 0x6000, b" RANDOM_43_KEY ");
        let text = String::from_utf8(text).unwrap_or_default();
        let mut mapping = Mapping::noise(start, 0x3_0000, 5).put_utf16(start + 1, &text);
        for at in [1 + 2 * 50, CELL - 45, 2 * CELL - 79, 2 * CELL + 1] {
            mapping = self.wide(1, start + at, mapping);
        }
        mapping
    }

    /// Arguments and environment of the first process: a long variable moves the last ones over
    /// the border of a cell.
    fn strings(&mut self, process: Process) -> Process {
        let arguments = ["/usr/bin/java", "-jar", "app.jar", "--password"].map(str::to_owned);
        let password = values::password(18, &mut self.random);
        let argv: Vec<String> = arguments.into_iter().chain([password]).collect();
        let length = |list: &[String]| list.iter().map(|text| text.len() as u64 + 1).sum::<u64>();
        let mut environ = vec!["PATH=/usr/bin:/bin".to_owned()];
        let secret = values::password(22, &mut self.random);
        environ.push(format!("DB_PASSWORD={secret}"));
        // The stack begins a page ahead of the arguments.
        let before = length(&argv) + length(&environ) + "FILL=".len() as u64;
        let fill = CELL - 0x1000 - before - 20;
        environ.push(format!("FILL={}", "x ".repeat(usize::try_from(fill / 2).unwrap_or(0))));
        let address = ARGUMENTS + length(&argv) + length(&environ) + "GITHUB_TOKEN=".len() as u64;
        environ.push(format!("GITHUB_TOKEN={}", self.token(&[(1, address)])));
        let other = values::password(20, &mut self.random);
        environ.push(format!("SMTP_PASSWORD={other}"));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let environ: Vec<&str> = environ.iter().map(String::as_str).collect();
        process.argv(&argv).environ(&environ)
    }

    fn file(&mut self, path: &'static str, mut content: Vec<u8>, offsets: &[u64]) -> Vec<u8> {
        for offset in offsets {
            let token = values::npm_token(&mut self.random);
            self.note(&token, &[], &[(path, *offset)]);
            put(&mut content, *offset, token.as_bytes());
        }
        content
    }

    fn archive(&mut self, checkpoint: &Checkpoint) -> Archive {
        let small = b"# settings\n[registry]\n  token = \n  kind = npm\n".to_vec();
        let small = [small, vec![b' '; 60], b"\r\nlast = 1".to_vec()].concat();
        let small = self.file("rootfs-diff.tar!etc/app.conf", small, &[60]);
        let log = self.text(3 * CELL + 1234);
        let borders = [0, CELL - 20, 2 * CELL, 3 * CELL + 1234 - 40];
        let log = self.file("rootfs-diff.tar!var/log/big.log", log, &borders);
        let wide: Vec<u8> = self.token(&[]).encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.widen();
        if let Some(last) = self.sown.last_mut() {
            last.files.push(("rootfs-diff.tar!srv/wide.txt", 2));
        }
        let wide = [&[0xff, 0xfe][..], &wide, b"\n\0"].concat();
        let kept = self.file("rootfs-diff.tar!srv/kept.tar!a/b.txt", vec![b'\n'; 200], &[77]);
        let packed = vec![b'\n'; 3000];
        let packed = self.file("rootfs-diff.tar!srv/old.tar.gz!deep/c.txt", packed, &[1500]);
        let log_of_container = self.file("ctr.log", b"started\n".repeat(40), &[100]);
        let kept = Archive::default().member("a/b.txt", kept).tar();
        let packed = Archive::default().member("deep/c.txt", packed).gzip();
        let files: [(&str, &[u8]); 5] = [
            ("etc/app.conf", &small),
            ("var/log/big.log", &log),
            ("srv/wide.txt", &wide),
            ("srv/kept.tar", &kept),
            ("srv/old.tar.gz", &packed),
        ];
        Archive::of(Producer::Podman, checkpoint)
            .rootfs_diff(&files, false)
            .member("ctr.log", log_of_container)
    }
}

fn put(content: &mut [u8], offset: u64, value: &[u8]) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    if let Some(place) = content.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// Three processes with a value at every border there is: 2 MiB.
pub fn rich() -> Sample {
    let mut sower = Sower { random: Random::new(20), sown: Vec::new() };
    let segment = Mapping::noise(0, 3 * 0x1_0000, 6);
    let shared = |offset: u64| {
        let mut places = vec![(1, SHARED + offset), (2, SHARED + 0x100_0000 + offset)];
        if (0x1000..=0x1_1000 - 40).contains(&offset) {
            places.push((2, SHARED + 0x200_0000 + offset - 0x1000));
        }
        places
    };
    let mut content = segment;
    for offset in [0, 0x2000 - 9, CELL - 20, 3 * CELL - 40] {
        let token = sower.token(&shared(offset));
        content = content.put(offset, token);
    }
    let cache = sower.token(&[(3, 0x7300_0000_0010)]);
    let unmapped = values::github_token(&mut sower.random);
    let [heap, file] = sower.heap();
    let java = sower.strings(Process::new(1, "java"));
    let java = java
        .map(heap)
        .map(file)
        .map(sower.long_text())
        .map(sower.long_wide_text())
        .map_shared(SHARED, 9, 0, 3 * CELL)
        .open(3, "/var/log/app.log");
    let sparse = Mapping::zero(HEAP, 0x3_0000);
    let sparse = sower.tokens(2, HEAP, sparse, &[CELL - 3, 0x2_8000]);
    let node = Process::new(2, "node")
        .parent(1)
        .argv(&["node", "server.js"])
        .environ(&["NODE_ENV=production"])
        .map(sparse)
        .map_shared(SHARED + 0x100_0000, 9, 0, 3 * CELL)
        .map_shared(SHARED + 0x200_0000, 9, 0x1000, 0x1_0000);
    let half = values::github_token(&mut sower.random);
    let (left, right) = half.split_at(20);
    let torn = Mapping::noise(HEAP, 0x8000, 9)
        .put(HEAP + 0x1000 - 20, left)
        .put(HEAP + 0x2000, right)
        .absent(HEAP + 0x1000);
    let torn = sower.tokens(3, HEAP, torn, &[0x5000, 0x8000 - 40]);
    let worker =
        Process::new(3, "worker").parent(1).map(torn).map_shared(0x7300_0000_0000, 10, 0, 0x2000);
    let queue = values::github_token(&mut sower.random);
    let tmpfs = values::github_token(&mut sower.random);
    let ghost = values::pem_private_key(&mut sower.random);
    let checkpoint = Checkpoint::new()
        .entry_pages(7)
        .segment(Segment::memfd(9, "/dev/zero", content))
        .segment(Segment::sysv(10, Mapping::noise(0, 0x2000, 7).put(0x10, cache)))
        .segment(Segment::memfd(11, "cache", Mapping::noise(0, 0x2000, 8).put(0xff8, unmapped)))
        .process(java)
        .process(node)
        .process(worker)
        .pipes(&[(7, queue.as_bytes()), (8, b"and no secret")])
        .socket_queues(&[(3, format!("token={queue}").as_bytes())])
        .ghost(1, 9, ghost.as_bytes())
        .tmpfs(41, &[("run/token", tmpfs.as_bytes())]);
    let archive = sower.archive(&checkpoint);
    Sample { checkpoint, archive, sown: sower.sown }
}

/// Two processes of a few pages and two files, with one value in each: for tests that scan it
/// hundreds of times. Values lie inside of their pages.
pub fn small() -> Sample {
    let mut sower = Sower { random: Random::new(30), sown: Vec::new() };
    let java = Mapping::noise(HEAP, 0x3000, 1).kind(Kind::Heap);
    let java = sower.tokens(1, HEAP, java, &[0x1800]);
    let node = Mapping::noise(HEAP, 0x2000, 2);
    let node = sower.tokens(2, HEAP, node, &[0x400]);
    let shared = sower.token(&[(2, SHARED + 0x90)]);
    let checkpoint = Checkpoint::new()
        .segment(Segment::memfd(9, "/dev/zero", Mapping::noise(0, 0x1000, 3).put(0x90, shared)))
        .process(Process::new(1, "java").map(java))
        .process(Process::new(2, "node").parent(1).map(node).map_shared(SHARED, 9, 0, 0x1000));
    let file = sower.file("rootfs-diff.tar!etc/npmrc", vec![b'\n'; 100], &[20]);
    let log = sower.file("ctr.log", b"started\n".repeat(20), &[80]);
    let archive = Archive::of(Producer::Podman, &checkpoint)
        .rootfs_diff(&[("etc/hosts", b"127.0.0.1 localhost\n"), ("etc/npmrc", &file)], false)
        .member("ctr.log", log);
    Sample { checkpoint, archive, sown: sower.sown }
}
