//! Making room: whatever lies in a zone and was read, what fits into it when it is empty can be stored, at once,
//! and in no more tries than the reference takes; and what is used most stays.
use super::super::list::End;
use super::super::store::{Stale, Store, StoreError, Value};
use super::super::write::{Item, Shortage, When};
use super::host::{Bytes, Dice, store};
use super::reference::Reference;

const PAGE: usize = 4096;

/// Ours and the reference's, with the same operations.
struct Pair {
    ours: Store,
    theirs: Reference,
    dice: Dice,
    text: Vec<u8>,
}

fn key(n: u64) -> Vec<u8> {
    format!("{n}").into_bytes()
}

impl Pair {
    fn new(size: usize, seed: u64) -> Self {
        let (ours, theirs) = (store(size), Reference::new(size).unwrap());
        Self { ours, theirs, dice: Dice(seed), text: vec![7; size] }
    }

    fn set_ours(&self, key: &[u8], len: usize) -> (Result<(), StoreError>, bool) {
        let item = Item { key, value: Value::String(&self.text[..len]), flags: 0, expires: 0 };
        let stored = self.ours.set(item, When::Always, Shortage::Evict, 1);
        (stored.result, stored.forcible)
    }

    fn get_ours(&self, key: &[u8]) -> bool {
        let found = self.ours.get(key, Stale::Refuse, 1, &mut Bytes::default());
        !matches!(found, Ok(None))
    }

    fn get(&mut self, n: u64) {
        self.get_ours(&key(n));
        self.theirs.get(&key(n));
    }

    /// Until both are full, or have been for a while; the number of keys.
    fn fill(&mut self, mut len: impl FnMut(&mut Dice) -> usize, lists: u64) -> u64 {
        let mut full = (false, false);
        for n in 0.. {
            let len = len(&mut self.dice);
            if lists != 0 && self.dice.roll(2) == 0 {
                let list = format!("list {}", self.dice.roll(lists)).into_bytes();
                let len = len.min(self.ours.slab.free_bytes() / 2);
                let value = Value::String(&self.text[..len]);
                full.0 |= self.ours.push(&list, value, End::Left, 1).is_err();
                full.1 |= !self.theirs.push(&list, len);
            } else {
                full.0 |= self.set_ours(&key(n), len) != (Ok(()), false);
                full.1 |= self.theirs.set(&key(n), len) != (true, false);
            }
            if full == (true, true) {
                return n;
            }
        }
        0
    }

    /// The bytes that a new entry may have if the dictionary is empty.
    fn most(&self) -> usize {
        self.ours.lock().pages_of_entries().len() * PAGE
    }

    /// How many tries it takes both; more than `limit` are not counted. In between, `reads` of `keys`.
    fn tries(&mut self, len: usize, reads: u64, keys: u64, limit: usize) -> (usize, usize) {
        let mut tries = (0, 0);
        let mut done = (false, false);
        for _ in 0..limit {
            if !done.0 {
                tries.0 += 1;
                done.0 = self.set_ours(b"the new one", len).0.is_ok();
            }
            if !done.1 {
                tries.1 += 1;
                done.1 = self.theirs.set(b"the new one", len).0;
            }
            if done == (true, true) {
                break;
            }
            for _ in 0..reads {
                let n = self.dice.roll(keys.max(1));
                self.get(n);
            }
        }
        (if done.0 { tries.0 } else { usize::MAX }, tries.1)
    }
}

#[test]
fn small_entries_that_were_read_make_room_for_a_larger_one() {
    for (size, reads) in [(1 << 20, 0), (10 << 20, 0), (1 << 20, 2000), (10 << 20, 2000)] {
        let mut pair = Pair::new(size, 5);
        let keys = pair.fill(|_| 4, 0);
        (0..keys).for_each(|n| pair.get(n));
        let (ours, theirs) = pair.tries(500, reads, keys, 400);
        assert!(ours == 1 && theirs > 1, "{size}, {reads} reads: {ours}, {theirs}");
        // A page of them went.
        assert!(pair.ours.stats().evictions <= 65, "{:?}", pair.ours.stats());
    }
}

#[test]
fn what_fits_into_an_empty_zone_can_be_stored() {
    for seed in 1..=150 {
        let mut dice = Dice(seed);
        let size = (12 << 10) + dice.roll(1 << (12 + seed % 8)) as usize * 16;
        let mut pair = Pair::new(size, seed * 77);
        for _ in 0..3 {
            let (least, spread) = (dice.roll(300) as usize, 1 << dice.roll(12));
            let lists = dice.roll(3) * dice.roll(20);
            let most = pair.most() - 100;
            let keys = pair.fill(|dice| (least + dice.roll(spread) as usize).min(most), lists);
            match dice.roll(3) {
                0 => (0..keys).for_each(|n| pair.get(n)),
                1 => (0..keys / 2).for_each(|_| pair.get(dice.roll(keys.max(1)))),
                _ => {}
            }
            // Most are small; one in four may be as large as the zone.
            let largest = pair.most() - 36 - b"the new one".len();
            let bits = if dice.roll(4) == 0 { 30 } else { 13 };
            let len = (dice.roll_bits(bits) as usize).min(largest);
            let reads = dice.roll(2) * dice.roll(2000);
            let (ours, theirs) = pair.tries(len, reads, keys, 60);
            assert_eq!(ours, 1, "seed {seed}: {len} bytes in {size}; the reference: {theirs}");
            assert!(pair.get_ours(b"the new one"));
        }
    }
}

#[test]
fn making_room_takes_what_is_needed_and_little_more() {
    for seed in 1..50 {
        let mut pair = Pair::new(1 << 20, seed);
        let spread = 1 << (1 + seed % 12);
        pair.fill(|dice| dice.roll(spread) as usize, 0);
        let before = pair.ours.stats();
        let len = 1 + pair.dice.roll(100_000) as usize;
        pair.set_ours(b"the new one", len).0.unwrap();
        let gone = pair.ours.stats().evictions - before.evictions;
        // All that lies in the pages it takes now, and a neighbour on both sides.
        let pages = (len + 47).div_ceil(PAGE) as u64;
        assert!(gone <= pages * 64 + 2, "seed {seed}: {gone} for {pages} pages");
    }
}

/// How often a key is found that is stored if it is not, most of them seldom asked for.
fn hits(pair: &mut Pair, keys: u64, len: impl Fn(u64) -> usize) -> (u64, u64) {
    let mut hits = (0, 0);
    for _ in 0..60_000 {
        let n = pair.dice.roll_low(keys);
        let (key, len) = (key(n), len(n));
        if pair.get_ours(&key) {
            hits.0 += 1;
        } else {
            pair.set_ours(&key, len).0.unwrap();
        }
        if pair.theirs.get(&key) {
            hits.1 += 1;
        } else {
            pair.theirs.set(&key, len);
        }
    }
    hits
}

#[test]
fn what_is_used_often_stays_as_it_does_in_the_reference() {
    let zones = [12 << 10, 16 << 10, 32 << 10, 60 << 10, 64 << 10, 100 << 10, 256 << 10, 1 << 20];
    for (seed, size) in (1..).zip(zones) {
        for (kind, most) in [(0, 60), (1, 300), (2, 2500), (3, 9000)] {
            // In the smallest zones the reference has no memory for more.
            if size < most * 20 {
                continue;
            }
            let mut pair = Pair::new(size, seed);
            let keys = (size / (100 + most / 2) * 4) as u64;
            let len = |n: u64| (n.wrapping_mul(0x9e37_79b9) >> 7) as usize % most;
            let (ours, theirs) = hits(&mut pair, keys, len);
            assert!(ours * 100 >= theirs * 98, "{size}, {kind}: {ours} of {theirs}");
        }
    }
}

#[test]
fn the_smallest_zone_holds_what_the_reference_does() {
    let mut pair = Pair::new(12 << 10, 1);
    let keys = pair.fill(|_| 1, 0);
    let theirs = pair.theirs.len() as u64;
    assert_eq!(theirs, 31);
    assert!(keys >= theirs && pair.ours.stats().entries >= theirs, "{:?}", pair.ours.stats());
    // Lists as well.
    let store = store(12 << 10);
    for n in 0..31 {
        store.push(b"list", Value::Number(f64::from(n)), End::Right, 1).unwrap();
    }
}
