//! core-TID.img: the registers of a thread, as bytes.

use cryoscan_proto::{CoreEntry, ThreadInfoX86, UserAarch64RegsEntry};

use super::name::kind_of;
use super::{Image, Key};
use crate::limits::Limits;

/// The registers of the thread in a core image of x86-64 or aarch64, and the thread's id: the general
/// ones, then those of vectors, each file of registers as one array. Any other file has none.
///
/// A register holds a few bytes of text at most; copying loops leave 16 to 64 bytes in each of
/// those of vectors, one after the other.
pub fn registers(file_name: &[u8], data: &[u8]) -> Option<(Key, Vec<Vec<u8>>)> {
    let (kind, thread) = kind_of(file_name)?;
    if kind.pattern != "core-%u.img" {
        return None;
    }
    let mut image = Image::new("", data, kind.magic, &Limits::default()).ok()?;
    let core: CoreEntry = image.required().ok()?;
    let mut files = Vec::new();
    if let Some(info) = &core.thread_info {
        files.extend(x86(info));
    }
    if let Some(info) = &core.ti_aarch64 {
        files.extend(info.gpregs.as_ref().map(general_of_aarch64));
        files.extend(info.fpsimd.as_ref().map(|vectors| doubles(&vectors.vregs, 64)));
    }
    files.retain(|file| file.iter().any(|byte| *byte != 0));
    Some((thread, files))
}

fn x86(info: &ThreadInfoX86) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    if let Some(it) = &info.gpregs {
        let all = [
            it.ax(),
            it.bx(),
            it.cx(),
            it.dx(),
            it.si(),
            it.di(),
            it.bp(),
            it.sp(),
            it.r8(),
            it.r9(),
            it.r10(),
            it.r11(),
            it.r12(),
            it.r13(),
            it.r14(),
            it.r15(),
        ];
        files.push(doubles(&all, all.len()));
    }
    let Some(float) = &info.fpregs else { return files };
    files.push(words(&float.st_space, 32));
    let low = words(&float.xmm_space, 64);
    let Some(wide) = &float.xsave else {
        files.push(low);
        return files;
    };
    let middle = words(&wide.ymmh_space, 64);
    let high = doubles(&wide.zmm_upper, 64);
    // Register by register, as wide as the machine has them.
    let mut vectors = Vec::new();
    for index in 0..16usize {
        for (part, len) in [(&low, 16usize), (&middle, 16), (&high, 32)] {
            let start = index.saturating_mul(len);
            let end = start.saturating_add(len);
            vectors.extend(part.get(start..end).unwrap_or_default());
        }
    }
    vectors.extend(doubles(&wide.hi16_zmm, 128));
    files.push(vectors);
    files
}

fn general_of_aarch64(registers: &UserAarch64RegsEntry) -> Vec<u8> {
    doubles(&registers.regs, 31)
}

/// Words as they lie in memory, `most` of them at most.
fn words(words: &[u32], most: usize) -> Vec<u8> {
    words.iter().take(most).flat_map(|word| word.to_le_bytes()).collect()
}

fn doubles(words: &[u64], most: usize) -> Vec<u8> {
    words.iter().take(most).flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use cryoscan_proto::{UserX86FpregsEntry, UserX86RegsEntry, UserX86XsaveEntry};
    use prost::Message;

    use super::*;
    use crate::criu::sample::framed;

    fn core(thread_info: ThreadInfoX86) -> Vec<u8> {
        let core = CoreEntry { thread_info: Some(thread_info), ..Default::default() };
        framed(0x5505_3847, &[core.encode_to_vec()])
    }

    #[test]
    fn halves_of_vector_registers_are_put_together() {
        let text: Vec<u8> = (0..16 * 32).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect();
        let half = |from: usize| -> Vec<u32> {
            let registers =
                text.chunks(32).flat_map(|register| register[from..from + 16].chunks(4));
            registers.map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
        };
        let xsave = UserX86XsaveEntry { ymmh_space: half(16), ..Default::default() };
        let fpregs =
            UserX86FpregsEntry { xmm_space: half(0), xsave: Some(xsave), ..Default::default() };
        let info = ThreadInfoX86 { fpregs: Some(fpregs), ..Default::default() };
        assert_eq!(registers(b"core-7.img", &core(info)), Some((7, vec![text])));
    }

    #[test]
    fn general_registers_are_little_endian() {
        let gpregs = UserX86RegsEntry { ax: Some(0x6867_6665_6463_6261), ..Default::default() };
        let info = ThreadInfoX86 { gpregs: Some(gpregs), ..Default::default() };
        let (_, files) = registers(b"core-7.img", &core(info)).unwrap();
        assert!(files[0].starts_with(b"abcdefgh\0"));
    }

    #[test]
    fn other_images_have_none() {
        assert_eq!(registers(b"mm-7.img", &core(ThreadInfoX86::default())), None);
        assert_eq!(registers(b"core-7.img", b"no image"), None);
    }
}
