//! What engines leave out of every checkpoint, so that its absence is not taken for a result.

use crate::checkpoint::Checkpoint;

/// What is not in a checkpoint, in sentences.
pub(super) fn omissions(checkpoint: &Checkpoint) -> Vec<String> {
    let producer = checkpoint.producer;
    let mut notes = Vec::new();
    match producer {
        "podman" | "cri-o" => notes.push(format!(
            "{producer} exports a changed file of the image only if the host has a file of the same \
             path: changed files may be missing from the checkpoint"
        )),
        "docker" => notes.push(
            "docker keeps the files of the container outside of the checkpoint: they were not \
             scanned"
                .to_owned(),
        ),
        "runc" => notes.push(
            "runc and crun keep the files of the container outside of the checkpoint: they were \
             not scanned"
                .to_owned(),
        ),
        "criu" => notes.push(
            "criu dumps no files but deleted ones: the files that the processes used were not \
             scanned"
                .to_owned(),
        ),
        "elf-core" => notes.extend(not_in_core(checkpoint)),
        _ => {}
    }
    if producer == "docker" && checkpoint.container.name.is_none() {
        notes.push(
            "docker keeps name, image and environment of the container in config.v2.json, in the \
             folder above its checkpoints: it is not part of the target and was not scanned"
                .to_owned(),
        );
    }
    notes
}

/// Mapped memory that a core does not hold.
fn not_in_core(checkpoint: &Checkpoint) -> Option<String> {
    let mapped = checkpoint.processes.values().flat_map(|process| &process.vmas);
    let mapped =
        mapped.fold(0u64, |sum, vma| sum.saturating_add(vma.end.saturating_sub(vma.start)));
    let left = mapped.saturating_sub(checkpoint.memory_bytes);
    (left > 0).then(|| {
        format!(
            "{left} bytes of mapped memory are not in the core: who wrote it leaves out what can be \
             read from files, and what a filter names"
        )
    })
}
