//! Primes of RSA keys as words of memory are private keys where the checkpoint holds the public key
//! that they divide, and nothing otherwise.

use cryoscan_tests::builder::{Archive, Checkpoint, Mapping, Process, Producer};
use cryoscan_tests::keys;
use cryoscan_tests::random::Random;
use cryoscan_tests::scanned::{Scanned, revealing, scan_bytes};
use data_encoding::BASE64;

const HEAP: u64 = 0x7f00_0000_0000;

fn scan(worker: Mapping, other: Mapping) -> Scanned {
    let checkpoint = Checkpoint::new()
        .process(Process::new(1, "nginx").map(worker))
        .process(Process::new(7, "nginx").map(other));
    scan_bytes(&Archive::of(Producer::Runc, &checkpoint).tar(), &revealing())
}

fn heap() -> Mapping {
    Mapping::zero(HEAP, 0x8000)
}

/// As `BigInteger` keeps a number: words of 32 bits, the highest first.
fn java(little: &[u8]) -> Vec<u8> {
    little.rchunks(4).collect::<Vec<_>>().concat()
}

#[test]
fn primes_of_a_known_public_key_are_found_and_proven() {
    let ([p, q], public) = keys::rsa_words(2048, &mut Random::new(11));
    let stale = Random::new(5).bytes(64);
    // One in a chunk of glibc with stale bytes behind it, one in a Java array.
    let worker = heap()
        .put(HEAP + 0x1038, 0x91u64.to_le_bytes())
        .put(HEAP + 0x1040, &p)
        .put(HEAP + 0x10c0, &stale)
        .put(
            HEAP + 0x3000,
            [1u64.to_le_bytes(), (0x0080_1234u64 | 32 << 32).to_le_bytes()].concat(),
        )
        .put(HEAP + 0x3010, java(&q))
        .put(HEAP + 0x3090, 1u64.to_le_bytes());
    let scanned = scan(worker, heap().put(HEAP + 0x2345, &public));
    let part = scanned.whole();
    assert_eq!(part.faults(), Vec::<String>::new());
    assert_eq!(part.of("finding").count(), 2);
    for (words, at) in [(p, HEAP + 0x1040), (java(&q), HEAP + 0x3010)] {
        let found = part
            .of("finding")
            .find(|finding| finding["secret"]["value_b64"] == BASE64.encode(&words))
            .expect("the prime");
        assert_eq!(found["rule"]["id"], "rsa-prime-words");
        assert_eq!(found["confidence"], "confirmed");
        assert_eq!(found["attributes"]["key.bits"], "2048");
        assert_eq!(found["places"][0]["address"], format!("{at:#x}"));
        assert_eq!(found["places"][0]["length"], 128);
        assert_eq!(found["places"][0]["pid"], 1);
    }
}

#[test]
fn primes_without_their_public_key_are_nothing() {
    let ([p, _], public) = keys::rsa_words(2048, &mut Random::new(12));
    let ([other, _], _) = keys::rsa_words(2048, &mut Random::new(13));
    let at =
        |number: &[u8]| heap().put(HEAP + 0x1038, 0x91u64.to_le_bytes()).put(HEAP + 0x1040, number);
    for (worker, certificate) in [
        (at(&p), heap()),
        (at(&other), heap().put(HEAP + 0x2345, &public)),
        (heap(), heap().put(HEAP + 0x2345, &public)),
        // Nobody keeps words at such an address.
        (heap().put(HEAP + 0x1043, &p), heap().put(HEAP + 0x2345, &public)),
    ] {
        let scanned = scan(worker, certificate);
        let part = scanned.whole();
        assert_eq!(part.faults(), Vec::<String>::new());
        let found: Vec<String> = part.of("finding").map(ToString::to_string).collect();
        assert_eq!(found, Vec::<String>::new());
    }
}
