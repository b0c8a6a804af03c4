//! Mutations without a fuzzer: what breaks parsers most often, the same every time.

use cryoscan_tests::random::Random;

/// Numbers that lengths and counts should not be.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Longer inputs only cost time.
const LONGEST: usize = 1 << 20;

/// Makes new inputs of given ones.
#[derive(Debug)]
pub struct Mutator<'a> {
    inputs: &'a [Vec<u8>],
    random: Random,
    next: usize,
}

impl<'a> Mutator<'a> {
    /// Mutations of `inputs`; other ones for each `name`.
    pub fn new(inputs: &'a [Vec<u8>], name: &str) -> Self {
        let seed = name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
        Self { inputs, random: Random::new(seed), next: 0 }
    }

    /// The next mutation; each input has its turn.
    pub fn next_input(&mut self) -> Vec<u8> {
        let Some(input) = self.inputs.get(self.next % self.inputs.len().max(1)) else {
            return self.random.bytes(64);
        };
        self.next += 1;
        let mut bytes = input.clone();
        for _ in 0..=self.random.below(4) {
            self.mutate(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.at(bytes.len());
        let len = self.random.below(40).min(bytes.len() - at);
        match self.random.below(9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + len)),
            2 => {
                let again = bytes[at..at + len].to_vec();
                let times = self.random.below(20);
                bytes.splice(at..at, again.repeat(times));
            }
            3 => {
                let count = self.random.below(12);
                let new = self.random.bytes(count);
                bytes.splice(at..at, new);
            }
            4 => {
                let value = NUMBERS[self.random.below(NUMBERS.len())];
                let width = [1, 2, 4, 8][self.random.below(4)];
                let number = value.to_le_bytes();
                for (to, from) in bytes[at..].iter_mut().zip(&number[..width]) {
                    *to = *from;
                }
            }
            5 => {
                // A varint of protobuf, or an octal or decimal number of text.
                let value = NUMBERS[self.random.below(NUMBERS.len())];
                let text = match self.random.below(3) {
                    0 => format!("{value}").into_bytes(),
                    1 => format!("{value:o}").into_bytes(),
                    _ => varint(value),
                };
                bytes.splice(at..at + len.min(text.len()), text);
            }
            6 => {
                let other = &self.inputs[self.random.below(self.inputs.len())];
                let from = self.random.below(other.len() + 1);
                let count = self.random.below(256).min(other.len() - from);
                bytes.splice(at..at + len, other[from..from + count].iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
        }
    }

    /// A place in so many bytes, more often near the beginning, where headers are.
    fn at(&mut self, len: usize) -> usize {
        let most = if self.random.below(3) == 0 { len.min(96) } else { len };
        self.random.below(most + 1)
    }
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
