//! Lists in a dictionary: values that are pushed and popped at both ends.
//!
//! The chain of nodes from the first to the last is changed by single stores, as the chains of buckets
//! are; the links backwards, the last node and the length follow, and can be made again from it.
use super::layout::{Entry, LIST, NUMBER, Node, Ref};
use super::lock::Locked;
use super::store::{Store, StoreError, Value};
use crate::nginx::slab::Slab;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Left,
    Right,
}

/// A value taken out of a list.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Popped {
    Number(f64),
    String(Vec<u8>),
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
        let place = if end == End::Left { entry.first() } else { entry.last() };
        let node = Node::new(self.slab, place);
        let value = value_of(self.slab, node).ok_or(StoreError::NoMemory)?;
        if entry.value_len() <= 1 {
            locked.remove(entry);
        } else {
            locked.open_list(entry);
            locked.unlink_node(entry, node, end);
            locked.shrink(Node::size(node.len() as usize));
            self.slab.free(place.at());
            self.mark(entry.place());
        }
        Ok(Some(value))
    }
}

impl Locked<'_> {
    fn open_list(&self, entry: Entry) {
        self.begin_structure();
        self.begin_value(entry);
    }

    pub(super) fn new_list(&self, hash: u32, key: &[u8]) -> Option<Entry> {
        let entry = self.alloc(Entry::list_size(key.len()))?;
        self.write_key(entry, hash, key);
        entry.set_kind(LIST);
        entry.set_value_len(0);
        entry.set_flags(0);
        entry.set_expires(0);
        entry.set_first(Ref::NONE);
        entry.set_last(Ref::NONE);
        self.link(entry);
        Some(entry)
    }

    /// A list whose time was over starts again.
    fn empty_list(&self, entry: Entry) {
        self.open_list(entry);
        let nodes = entry.first();
        entry.set_first(Ref::NONE);
        entry.set_last(Ref::NONE);
        entry.set_value_len(0);
        entry.set_expires(0);
        self.free_nodes(nodes);
    }

    pub(super) fn new_node(&self, value: Value<'_>) -> Option<Node> {
        self.begin_structure();
        let size = Node::size(value.len());
        let slab = self.store.slab;
        let node = Node::new(slab, Ref::of(slab.alloc(size)?));
        self.grow(size);
        node.set_kind(value.kind());
        node.set_len(value.len() as u32);
        match value {
            Value::String(value) => slab.copy_in(node.value_at(), value),
            Value::Number(value) => slab.set_word(node.value_at(), value.to_ne_bytes()),
            Value::Boolean(value) => slab.set_u8(node.value_at(), value.into()),
        }
        Some(node)
    }

    pub(super) fn link_node(&self, entry: Entry, node: Node, end: End) {
        let (slab, place) = (self.store.slab, node.place());
        let (first, last) = (entry.first(), entry.last());
        match end {
            End::Left => {
                node.set_previous(0);
                node.set_next(first.0);
                entry.set_first(place);
                if first.is_none() {
                    entry.set_last(place);
                } else {
                    Node::new(slab, first).set_previous(place.0);
                }
            }
            End::Right => {
                node.set_previous(last.0);
                node.set_next(0);
                if last.is_none() {
                    entry.set_first(place);
                } else {
                    Node::new(slab, last).set_next(place.0);
                }
                entry.set_last(place);
            }
        }
        entry.set_value_len(entry.value_len() + 1);
    }

    /// Takes the node at an end out of a list that has more.
    fn unlink_node(&self, entry: Entry, node: Node, end: End) {
        let slab = self.store.slab;
        match end {
            End::Left => {
                let next = Ref(node.next());
                entry.set_first(next);
                Node::new(slab, next).set_previous(0);
            }
            End::Right => {
                let previous = Ref(node.previous());
                Node::new(slab, previous).set_next(0);
                entry.set_last(previous);
            }
        }
        entry.set_value_len(entry.value_len() - 1);
    }
}

/// The value in a node; `None` without memory for it.
pub(super) fn value_of(slab: Slab, node: Node) -> Option<Popped> {
    if node.kind() == NUMBER {
        return Some(Popped::Number(f64::from_ne_bytes(slab.word_at(node.value_at()))));
    }
    let mut bytes = Vec::new();
    slab.append_to(node.value_at(), node.len() as usize, &mut bytes)
        .then_some(Popped::String(bytes))
}
