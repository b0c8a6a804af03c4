//! `cryoscan inspect`.

use anyhow::bail;

use super::args::InspectArgs;

/// Shows what a checkpoint holds, and gives the exit code.
pub(super) fn run(args: &InspectArgs) -> anyhow::Result<u8> {
    bail!("{}: inspect cannot show checkpoints yet ({:?})", args.target.display(), args.format)
}
