//! What the reference's dictionary does about memory: the sizes of its blocks, the exact order of use, and up to
//! 30 entries for a new one. In a zone of nginx's own allocator, like ours.
use std::collections::{BTreeMap, HashMap};

use super::host::zone;
use crate::nginx::slab::Slab;

struct Kept {
    /// The entry, then the nodes of a list.
    blocks: Vec<usize>,
    /// `None`: a list.
    len: Option<usize>,
    used: u64,
}

pub(super) struct Reference {
    slab: Slab,
    entries: HashMap<Vec<u8>, Kept>,
    order: BTreeMap<u64, Vec<u8>>,
    uses: u64,
}

impl Reference {
    /// Node of the tree, head of the entry.
    const ENTRY: usize = 68;

    pub(super) fn new(size: usize) -> Option<Self> {
        let slab = zone(size);
        // The root of the tree and of the order; the name for log lines.
        slab.alloc(80)?;
        slab.set_log_context(slab.alloc(30)?);
        Some(Self { slab, entries: HashMap::new(), order: BTreeMap::new(), uses: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn touch(&mut self, key: &[u8]) -> bool {
        let Some(kept) = self.entries.get_mut(key) else { return false };
        self.order.remove(&kept.used);
        self.uses += 1;
        kept.used = self.uses;
        self.order.insert(self.uses, key.to_vec());
        true
    }

    fn insert(&mut self, key: &[u8], block: usize, len: Option<usize>) {
        let kept = Kept { blocks: vec![block], len, used: 0 };
        self.entries.insert(key.to_vec(), kept);
        self.touch(key);
    }

    pub(super) fn get(&mut self, key: &[u8]) -> bool {
        self.touch(key)
    }

    fn remove(&mut self, key: &[u8]) {
        let Some(kept) = self.entries.remove(key) else { return };
        self.order.remove(&kept.used);
        kept.blocks.into_iter().for_each(|block| self.slab.free(block));
    }

    /// Whether a string of `len` bytes has been stored, and whether something was evicted for it.
    pub(super) fn set(&mut self, key: &[u8], len: usize) -> (bool, bool) {
        if self.entries.get(key).is_some_and(|kept| kept.len == Some(len)) {
            self.touch(key);
            return (true, false);
        }
        self.remove(key);
        let mut forcible = false;
        for _ in 0..=30 {
            if let Some(block) = self.slab.alloc(Self::ENTRY + key.len() + len) {
                self.insert(key, block, Some(len));
                return (true, forcible);
            }
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            self.remove(&oldest.clone());
            forcible = true;
        }
        (false, forcible)
    }

    pub(super) fn push(&mut self, key: &[u8], len: usize) -> bool {
        if !self.touch(key) {
            let size = (Self::ENTRY + key.len() + 16).next_multiple_of(8);
            let Some(block) = self.slab.alloc(size) else { return false };
            self.insert(key, block, None);
        }
        let node = self.slab.alloc(21 + len);
        let Some(kept) = self.entries.get_mut(key).filter(|kept| kept.len.is_none()) else {
            return false;
        };
        kept.blocks.extend(node);
        if kept.blocks.len() == 1 {
            self.remove(key);
        }
        node.is_some()
    }
}
