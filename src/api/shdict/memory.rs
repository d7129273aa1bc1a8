//! Memory for entries and nodes: nginx's slab allocator, and before it one spare block of each size.
//!
//! What is given back is often wanted again at once: by a queue, or by a value whose length changes. The
//! allocator would look for a page and for a place in it each time, and take and give back the page itself if
//! there was nothing else in it. Spare blocks go back to it when it has no memory left.
use super::layout::Ref;
use super::lock::Locked;

/// Sizes with a spare block: the allocator's own, from 16 bytes to 2 KB.
pub(super) const SIZES: usize = 8;

const SMALLEST: usize = 16;

/// The number of the allocator's size that `size` bytes are taken from, but `least` at least, which is not less than
/// the smallest.
#[inline(always)]
fn number(size: usize, least: usize) -> usize {
    let bits = usize::BITS - (size.max(least) - 1).leading_zeros();
    bits as usize - SMALLEST.ilog2() as usize
}

impl Locked<'_> {
    #[inline(always)]
    fn number(&self, size: usize) -> usize {
        number(size, self.store.plan.least)
    }

    /// Of how many bytes a block for `size` is, if it is none of whole pages.
    pub(super) fn block_size(&self, size: usize) -> usize {
        SMALLEST << self.number(size)
    }

    /// At least `size` bytes.
    #[inline]
    pub(super) fn alloc_block(&self, size: usize) -> Option<Ref> {
        self.begin_structure();
        let (spares, number) = (self.store.spares, self.number(size));
        let spare = Ref(spares.get(number));
        if spare.is_none() {
            return self.alloc_new(size);
        }
        spares.set(number, 0);
        Some(spare)
    }

    #[inline(never)]
    fn alloc_new(&self, size: usize) -> Option<Ref> {
        let (slab, size) = (self.store.slab, size.max(self.store.plan.least));
        let place = slab.alloc(size).or_else(|| {
            self.give_back_spares();
            slab.alloc(size)
        });
        place.map(Ref::of)
    }

    /// Frees a block that `size` bytes were asked for.
    #[inline]
    pub(super) fn free_block(&self, place: Ref, size: usize) {
        let (spares, number) = (self.store.spares, self.number(size));
        if number < SIZES && spares.get(number) == 0 {
            spares.set(number, place.0);
        } else {
            self.store.slab.free(place.at());
        }
    }

    /// Leaves all free memory to the allocator.
    #[cold]
    pub(super) fn give_back_spares(&self) {
        self.begin_structure();
        for number in 0..SIZES {
            let spare = Ref(self.store.spares.get(number));
            if !spare.is_none() {
                self.store.spares.set(number, 0);
                self.store.slab.free(spare.at());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_one_number_are_of_one_size() {
        for size in 1..=2048_usize {
            assert_eq!(16 << number(size, 16), size.next_power_of_two().max(16), "{size}");
            assert_eq!(16 << number(size, 128), size.next_power_of_two().max(128), "{size}");
        }
        assert!(number(2049, 16) >= SIZES);
    }
}
