//! What is read from nginx's table of pages, against what has been allocated.
use super::host::{Dice, zone};
use crate::nginx::slab::Slab;

/// The size of what the allocator takes for `size` bytes.
fn taken(size: usize) -> usize {
    match size {
        0..=8 => 8,
        9..=2048 => size.next_power_of_two(),
        _ => size.next_multiple_of(Slab::page_size()),
    }
}

#[test]
fn the_blocks_in_use_are_those_that_have_been_allocated() {
    for seed in 1..20 {
        let mut dice = Dice(seed);
        let slab = zone((12 + dice.roll(200) as usize) << 10);
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for _ in 0..300 {
            // As full as can be, and then emptier.
            let fill = dice.roll(2) == 0;
            for _ in 0..dice.roll(60) {
                if fill {
                    let size = 1 + dice.roll_bits(15) as usize;
                    blocks.extend(slab.alloc(size).map(|at| (at, taken(size))));
                } else if !blocks.is_empty() {
                    let chosen = dice.roll(blocks.len() as u64) as usize;
                    slab.free(blocks.swap_remove(chosen).0);
                }
            }
            blocks.sort_unstable();
            let found: Vec<_> =
                slab.blocks(0..slab.pages()).map(|block| (block.at, block.size)).collect();
            assert_eq!(found, blocks);
            for (at, size) in &blocks {
                let last = slab.page_of(at + size - 1);
                assert_eq!(slab.head_of_page(last), slab.page_of(*at));
            }
        }
    }
}
