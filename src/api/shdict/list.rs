//! Lists in a dictionary: values that are pushed and popped at both ends.
//!
//! The chain of nodes from the first to the last is changed by single stores, as the chains of buckets
//! are; the links backwards, the last node and the length follow, and can be made again from it.
use super::layout::{Ends, Entry, LIST, NUMBER, Node, Ref};
use super::lock::Locked;
use super::store::{Store, StoreError, Value};
use crate::nginx::slab::Text;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Left,
    Right,
}

/// A value taken out of a list.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Popped {
    Number(f64),
    String(Text),
}

/// Why a value was not pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PushError {
    NotAList,
    NoMemoryForList,
    NoMemoryForValue,
}

impl Store {
    /// Pushes a value, which is a number or a string; the length of the list then.
    #[inline(always)]
    pub(super) fn push(
        &self,
        key: &[u8],
        value: Value<'_>,
        end: End,
        now: u64,
    ) -> Result<u32, PushError> {
        let hash = self.hash(key);
        let locked = self.lock();
        locked.drop_expired(now);
        let entry = match locked.find(hash, key) {
            Some(entry) if entry.is_stale(now) => {
                if entry.is_list() {
                    locked.empty_list(entry);
                    Some(entry)
                } else {
                    locked.remove_expired(entry);
                    None
                }
            }
            Some(entry) if !entry.is_list() => return Err(PushError::NotAList),
            found => found,
        };
        let entry = match entry {
            Some(entry) => {
                self.mark(entry.place());
                entry
            }
            None => locked.new_list(hash, key).ok_or(PushError::NoMemoryForList)?,
        };
        let Some(node) = locked.new_node(value) else {
            if entry.value_len() == 0 {
                locked.remove(entry);
            }
            return Err(PushError::NoMemoryForValue);
        };
        locked.open_list(entry);
        locked.link_node(entry, node, end);
        Ok(entry.value_len())
    }

    #[inline(always)]
    pub(super) fn pop(&self, key: &[u8], end: End, now: u64) -> Result<Option<Popped>, StoreError> {
        let hash = self.hash(key);
        let locked = self.lock();
        locked.drop_expired(now);
        let Some(entry) = locked.find(hash, key).filter(|entry| !entry.is_stale(now)) else {
            return Ok(None);
        };
        if !entry.is_list() {
            return Err(StoreError::NotAList);
        }
        let ends = entry.ends().ok_or(StoreError::NotAList)?;
        let place = if end == End::Left { ends.first() } else { ends.last() };
        let Some(node) = Node::at(self.slab, place) else { return Ok(None) };
        let value = value_of(node).ok_or(StoreError::NoMemory)?;
        if entry.value_len() <= 1 {
            locked.remove_here(entry);
        } else {
            locked.open_list(entry);
            locked.unlink_node(entry, ends, node, end);
            locked.free_node(node);
            self.mark(entry.place());
        }
        Ok(Some(value))
    }
}

impl Locked<'_> {
    fn open_list(&self, entry: Entry) {
        self.begin_structure();
        self.open_for(entry);
    }

    #[inline(always)]
    pub(super) fn new_list(&self, hash: u32, key: &[u8]) -> Option<Entry> {
        let entry = self.alloc(Entry::list_size(key.len()))?;
        self.write_key(entry, hash, key);
        entry.set_kind(LIST);
        entry.set_value_len(0);
        entry.set_flags(0);
        entry.set_expires(0);
        let ends = entry.ends()?;
        ends.set_first(Ref::NONE);
        ends.set_last(Ref::NONE);
        self.link(entry);
        Some(entry)
    }

    /// A list whose time was over starts again.
    fn empty_list(&self, entry: Entry) {
        self.open_list(entry);
        entry.set_value_len(0);
        entry.set_expires(0);
        if let Some(ends) = entry.ends() {
            let nodes = ends.first();
            ends.set_first(Ref::NONE);
            ends.set_last(Ref::NONE);
            self.free_nodes(nodes);
        }
    }

    #[inline(always)]
    pub(super) fn new_node(&self, value: Value<'_>) -> Option<Node> {
        let size = Node::size(value.len());
        let node = Node::at(self.store.slab, self.alloc_block(size)?)?;
        self.grow(size);
        node.set_kind(value.kind());
        node.set_len(value.len() as u32);
        match value {
            Value::String(value) => node.set_bytes(value),
            Value::Number(value) => node.set_number(value),
            Value::Boolean(_) => return None,
        }
        Some(node)
    }

    #[inline(always)]
    pub(super) fn link_node(&self, entry: Entry, node: Node, end: End) {
        let Some(ends) = entry.ends() else { return };
        let (slab, place) = (self.store.slab, node.place());
        match end {
            End::Left => {
                let first = ends.first();
                node.set_previous(entry.place().0);
                node.set_next(first.0);
                ends.set_first(place);
                match Node::at(slab, first) {
                    Some(first) => first.set_previous(place.0),
                    None => ends.set_last(place),
                }
            }
            End::Right => {
                let last = ends.last();
                node.set_previous(if last.is_none() { entry.place().0 } else { last.0 });
                node.set_next(0);
                match Node::at(slab, last) {
                    Some(last) => last.set_next(place.0),
                    None => ends.set_first(place),
                }
                ends.set_last(place);
            }
        }
        entry.set_value_len(entry.value_len() + 1);
    }

    /// Takes the node at an end out of a list that has more.
    fn unlink_node(&self, entry: Entry, ends: Ends, node: Node, end: End) {
        let neighbour = |place| Node::at(self.store.slab, place);
        match end {
            End::Left => {
                let next = Ref(node.next());
                ends.set_first(next);
                if let Some(next) = neighbour(next) {
                    next.set_previous(entry.place().0);
                }
            }
            End::Right => {
                let previous = Ref(node.previous());
                if let Some(previous) = neighbour(previous) {
                    previous.set_next(0);
                }
                ends.set_last(previous);
            }
        }
        entry.set_value_len(entry.value_len() - 1);
    }
}

/// The value in a node; `None` without memory for it.
#[inline]
pub(super) fn value_of(node: Node) -> Option<Popped> {
    if node.kind() == NUMBER {
        return Some(Popped::Number(node.number()));
    }
    node.bytes().map(Popped::String)
}
