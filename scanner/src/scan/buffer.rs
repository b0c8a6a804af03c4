//! Room for what is read from files.

/// Room that lies where the kernel copies to at full speed.
///
/// It copies from the page cache with `rep movsb`. Where target and source lie 1 to 31 bytes apart within their pages,
/// that takes five times as long on AMD's Zen 3 (measured). A large allocation begins 16 bytes into a page, for the
/// allocator's header; what is read begins at the start of a page in an image that is a file of its own, and at a
/// multiple of 512 bytes in a tar.
#[derive(Debug, Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    const ALIGN: usize = 64;

    /// Room for so many bytes, with whatever it had before.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        let all = len.saturating_add(Self::ALIGN);
        if self.0.len() < all {
            self.0.reserve_exact(all - self.0.len());
            self.0.resize(all, 0);
        }
        let start = self.0.as_ptr().align_offset(Self::ALIGN);
        self.0.get_mut(start..).and_then(|room| room.get_mut(..len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_much_as_was_asked_for_wherever_it_lies() {
        let mut buffer = Buffer::default();
        for len in [0, 1, 63, 64, 4096, 1, 300_000, 4097] {
            let room = buffer.room(len);
            assert_eq!((room.len(), room.as_ptr().align_offset(Buffer::ALIGN)), (len, 0));
        }
    }
}
