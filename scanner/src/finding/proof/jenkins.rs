//! The chain on which the credentials of Jenkins hang: `master.key` opens `hudson.util.Secret`, whose key
//! opens every value in its XML files. Where a checkpoint holds the chain, each value that it opens is as
//! good as plain text. What comes out is looked at in memory and wiped, never reported.
//!
//! Source: `DefaultConfidentialStore`, `ConfidentialKey` and `Secret` of Jenkins.

use std::collections::BTreeSet;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Kept, Proof, Proven, Value, Work, kept};
use crate::check::{Attributes, Severity};
use crate::rule::RuleSet;
use crate::tally::{Shelf, Vault};

pub(super) const JENKINS_CHAIN: Proof = Proof { name: "jenkins-chain", prove };

const MASTER: [&str; 2] = ["jenkins-master-key", "jenkins-master-key-file"];
const STORED: &str = "jenkins-hudson-secret";
const CLEAR: &str = "jenkins-hudson-secret-clear";
const CIPHER: &str = "jenkins-secret-cipher";

/// The rules whose values are put together.
pub(super) const RULES: [&str; 5] = [MASTER[0], MASTER[1], STORED, CLEAR, CIPHER];

/// What stands behind the bytes of a confidential key before they are encrypted, and behind the values
/// that Jenkins encrypted before 2.0.
const MAGIC: &[u8] = b"::::MAGIC::::";
/// Bytes of a key and of a block.
const BLOCK: usize = 16;
/// Keys of each kind that are tried: one Jenkins has one.
const KEYS: usize = 16;
/// Credentials that are named, at most.
const NAMED: usize = 16;

/// A key that opens the values, and what of the checkpoint it comes from.
struct Key {
    bytes: Zeroizing<[u8; BLOCK]>,
    from: Vec<usize>,
}

fn prove(values: &[Value<'_>], rules: &RuleSet, vault: &Vault) -> Vec<Proven> {
    let of = |ids: &[&str]| -> Vec<Kept<'_>> {
        let sealed = kept(values, vault, Shelf::Sealed);
        sealed.filter(|it| ids.iter().any(|id| it.is_of(rules, id))).collect()
    };
    let mut work = Work::new();
    let keys = keys(&of(&MASTER), &of(&[STORED]), &of(&[CLEAR]));
    let (mut proven, mut found) = (Vec::new(), BTreeSet::new());
    for key in &keys {
        found.extend(key.from.iter().copied());
    }
    let (mut opened, mut named) = (0u64, BTreeSet::new());
    for cipher in of(&[CIPHER]) {
        // One that opens it is enough; the XML around it may be in one of its places only.
        let mut is_open = false;
        for key in &keys {
            if !work.afford(cipher.bytes.len()) {
                proven.push(Proven::unavailable(cipher.index));
                break;
            }
            if opens(&key.bytes, cipher.bytes) {
                is_open = true;
                break;
            }
        }
        if is_open {
            opened = opened.saturating_add(1);
            let mut attributes = Attributes::from([("jenkins.decrypted", "true".to_owned())]);
            for name in ["jenkins.credential", "jenkins.field"] {
                attributes.extend(cipher.attribute(name).map(|it| (name, it.to_owned())));
            }
            named.extend(cipher.attribute("jenkins.credential").map(str::to_owned));
            proven.push(Proven::confirmed(cipher.index, Severity::Critical, attributes));
        }
    }
    for index in found {
        let mut attributes = Attributes::from([("jenkins.opens", opened.to_string())]);
        if !named.is_empty() {
            let rest = named.len().saturating_sub(NAMED);
            let more = (rest > 0).then(|| format!("and {rest} more"));
            let names = named.iter().take(NAMED).map(String::as_str);
            let names: Vec<&str> = names.chain(more.as_deref()).collect();
            attributes.insert("jenkins.credentials", names.join(" "));
        }
        proven.push(Proven::confirmed(index, Severity::Critical, attributes));
    }
    proven
}

/// The keys that a checkpoint holds: those of stored files that a master key opens, and those that lie
/// open in memory.
fn keys(masters: &[Kept<'_>], stored: &[Kept<'_>], clear: &[Kept<'_>]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |bytes: Zeroizing<[u8; BLOCK]>, from: &[usize]| match keys
        .iter_mut()
        .find(|key| key.bytes == bytes)
    {
        Some(key) => key.from.extend(from),
        None => keys.push(Key { bytes, from: from.to_vec() }),
    };
    for master in masters.iter().take(KEYS) {
        let digest = Sha256::digest(master.bytes.trim_ascii());
        let Some(key) = digest.first_chunk::<BLOCK>() else { continue };
        for file in stored.iter().take(KEYS) {
            if let Some(bytes) = unwrap(key, file.bytes) {
                add(bytes, &[master.index, file.index]);
            }
        }
    }
    for payload in clear.iter().take(KEYS) {
        if let Some(first) = payload.bytes.first_chunk::<BLOCK>() {
            add(Zeroizing::new(*first), &[payload.index]);
        }
    }
    keys
}

/// The key in a stored file: AES in ECB mode, padded, with the magic at its end.
fn unwrap(key: &[u8; BLOCK], file: &[u8]) -> Option<Zeroizing<[u8; BLOCK]>> {
    let payload = decrypt(key, None, file)?;
    let payload = payload.strip_suffix(MAGIC)?;
    payload.first_chunk::<BLOCK>().map(|first| Zeroizing::new(*first))
}

/// Whether a key opens an encrypted value: `{` base64 of version, lengths, vector and data `}`.
fn opens(key: &[u8; BLOCK], value: &[u8]) -> bool {
    const HEAD: usize = 9;
    let inner = value.strip_prefix(b"{").and_then(|value| value.strip_suffix(b"}"));
    let Some(bytes) = inner.and_then(|inner| BASE64.decode(inner).ok()) else { return false };
    let Some((vector, data)) = bytes.get(HEAD..).and_then(|rest| rest.split_first_chunk::<BLOCK>())
    else {
        return false;
    };
    // The wrong key has a chance of 1 in 256 of such padding, and less of text before it.
    decrypt(key, Some(vector), data).is_some_and(|text| std::str::from_utf8(&text).is_ok())
}

/// AES-128 with the padding of PKCS #7: in CBC mode with a vector, in ECB mode without.
fn decrypt(
    key: &[u8; BLOCK],
    vector: Option<&[u8; BLOCK]>,
    data: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return None;
    }
    let cipher = Aes128::new(&Array::from(*key));
    let mut plain = Zeroizing::new(Vec::with_capacity(data.len()));
    let mut before = vector.copied();
    for chunk in data.chunks_exact(BLOCK) {
        let sealed: [u8; BLOCK] = chunk.try_into().ok()?;
        let mut block = Array::from(sealed);
        cipher.decrypt_block(&mut block);
        if let Some(before) = &mut before {
            for (byte, other) in block.iter_mut().zip(before.iter()) {
                *byte ^= other;
            }
            *before = sealed;
        }
        plain.extend_from_slice(&block);
        zeroize::Zeroize::zeroize(block.as_mut_slice());
    }
    let pad = usize::from(*plain.last()?);
    let len = plain.len().checked_sub(pad).filter(|_| (1..=BLOCK).contains(&pad))?;
    let is_padded = plain.get(len..)?.iter().all(|byte| usize::from(*byte) == pad);
    plain.truncate(len);
    is_padded.then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockCipherEncrypt;

    /// The file as Jenkins writes it: payload and magic, padded, encrypted block by block.
    fn stored(key: &[u8; BLOCK], payload: &[u8]) -> Vec<u8> {
        let mut text = [payload, MAGIC].concat();
        let pad = BLOCK - text.len() % BLOCK;
        text.extend(std::iter::repeat_n(u8::try_from(pad).unwrap(), pad));
        let cipher = Aes128::new(&Array::from(*key));
        let blocks = text.chunks_exact(BLOCK).flat_map(|chunk| {
            let mut block = Array::from(<[u8; BLOCK]>::try_from(chunk).unwrap());
            cipher.encrypt_block(&mut block);
            block.to_vec()
        });
        blocks.collect()
    }

    #[test]
    fn a_chain_of_known_values() {
        // Synthetic: 256 digits, a payload of the bytes 00 to ff, a password of our own.
        let master = "0123456789abcdef".repeat(16);
        let key: [u8; BLOCK] = Sha256::digest(master.as_bytes())[..BLOCK].try_into().unwrap();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&key),
            ["2f8ab27c794db6af", "cc4f795f819f1d1c"].concat()
        );
        let payload: Vec<u8> = (0..=255).collect();
        let file = stored(&key, &payload);
        assert_eq!(file.len(), 272);
        let ends = [&file[..BLOCK], &file[256..]].map(|it| data_encoding::HEXLOWER.encode(it));
        assert_eq!(ends[0], ["a9b5509b5b6314a1", "78b23a3cb97e92f2"].concat());
        assert_eq!(ends[1], ["13dc61dda1791aef", "573ba03d6315c17d"].concat());
        let opener = unwrap(&key, &file).unwrap();
        assert_eq!(opener.as_slice(), &payload[..BLOCK]);
        assert!(unwrap(&[7; BLOCK], &file).is_none());
        assert!(unwrap(&key, &file[1..]).is_none());

        let value = [
            "{",
            "AQAAABAAAAAgEREREREREREREREREREREWFnJlfCX9",
            "Of+jLuBG/kNg9NLHdynVj1hY82rBT2a9Ft",
            "}",
        ];
        let value = value.concat();
        assert!(opens(&opener, value.as_bytes()));
        assert!(!opens(&key, value.as_bytes()));
        for len in 0..value.len() {
            assert!(!opens(&opener, &value.as_bytes()[..len]), "{len}");
        }
    }
}
