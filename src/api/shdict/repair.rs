//! Makes a dictionary whole again after a process died while it held the lock.
//!
//! If only a value was being written, that entry goes, or (one store) nothing. If links or the allocator
//! were, everything that the buckets lead to is copied out, the allocator starts anew, and the entries go
//! in again. Whoever dies in here leaves a dictionary that is smaller, and whole after the next repair.
use std::collections::{HashMap, HashSet};

use super::layout::{Ends, Entry, LIST, NUMBER, Node, Ref, STRING};
use super::list::{End, Popped, value_of};
use super::lock::{Locked, note};
use super::memory;
use super::store::{Store, Value};
use crate::nginx::slab::Text;
use crate::nginx::{Level, Log};

/// An entry outside of the zone.
struct Saved {
    key: Text,
    content: Content,
    flags: u32,
    expires: u64,
}

enum Content {
    Number(f64),
    Boolean(bool),
    String(Text),
    List(Vec<Popped>),
}

/// `change` is the note that the dead process has left.
#[cold]
#[inline(never)]
pub(super) fn repair(locked: &Locked<'_>, change: u64) {
    let store = locked.store;
    let victim = store.entry(Ref((change >> note::VICTIM) as u32));
    if change & note::STRUCTURE == 0 {
        if let Some(victim) = victim {
            locked.remove(victim);
        }
    } else {
        locked.begin_structure();
        let saved = save(locked, victim.map(Entry::place));
        if !store.start_anew() {
            Log::cycle().write(Level::Alert, b"lua_shared_dict: the zone cannot be made whole");
            return;
        }
        for entry in &saved {
            restore(locked, entry);
        }
    }
    store.state.set_repairs(store.state.repairs() + 1);
    Log::cycle().print(
        Level::Warn,
        format_args!(
            "lua_shared_dict: repaired after a process died while changing it; {} entries are left",
            store.state.entries()
        ),
    );
}

/// All entries that the buckets lead to, those not used for longest first.
fn save(locked: &Locked<'_>, victim: Option<Ref>) -> Vec<Saved> {
    let store = locked.store;
    let mut places = HashSet::new();
    for bucket in 0..store.plan.buckets as usize {
        let mut next = store.head(bucket);
        while let Some(entry) = store.entry(next).filter(|entry| places.insert(entry.place().0)) {
            next = Ref(entry.next());
        }
    }
    if let Some(victim) = victim {
        places.remove(&victim.0);
    }
    let ranks = ranks(store, places.len());
    let mut places: Vec<u32> = places.into_iter().collect();
    // Who is not in the order was just being put there.
    places.sort_unstable_by_key(|place| ranks.get(place).copied().unwrap_or(usize::MAX));
    places.into_iter().filter_map(|place| save_entry(store, store.entry(Ref(place))?)).collect()
}

/// How far from the oldest each entry is, as far as the links lead.
fn ranks(store: &Store, entries: usize) -> HashMap<u32, usize> {
    let mut ranks = HashMap::new();
    let mut next = Ref(store.state.newest());
    while let Some(entry) = store.entry(next).filter(|_| ranks.len() <= entries) {
        let rank = entries.saturating_sub(ranks.len());
        if ranks.insert(entry.place().0, rank).is_some() {
            break;
        }
        next = Ref(entry.older());
    }
    ranks
}

fn save_entry(store: &Store, entry: Entry) -> Option<Saved> {
    let content = match entry.kind() {
        NUMBER => Content::Number(entry.number()),
        STRING => Content::String(entry.bytes()?),
        LIST => Content::List(save_list(store, entry)),
        _ => Content::Boolean(entry.truth()),
    };
    Some(Saved { key: entry.key()?, content, flags: entry.flags(), expires: entry.expires() })
}

fn save_list(store: &Store, entry: Entry) -> Vec<Popped> {
    let mut values = Vec::new();
    let mut next = entry.ends().map_or(Ref::NONE, Ends::first);
    // One more than it says may be there, and no more: the length is written last.
    while let Some(node) = Node::at(store.slab, next)
        && values.len() <= entry.value_len() as usize
    {
        values.extend(value_of(node));
        next = Ref(node.next());
    }
    values
}

fn restore(locked: &Locked<'_>, saved: &Saved) {
    let store = locked.store;
    let hash = store.hash(&saved.key);
    let value = match &saved.content {
        Content::Number(number) => Value::Number(*number),
        Content::Boolean(truth) => Value::Boolean(*truth),
        Content::String(bytes) => Value::String(bytes),
        Content::List(values) => return restore_list(locked, saved, values),
    };
    // What does not fit any more is lost: the allocator's pages may be shared out differently.
    if let Some(entry) = locked.alloc(Entry::size(saved.key.len(), value.len())) {
        locked.write_key(entry, hash, &saved.key);
        locked.write_value(entry, value, saved.flags, saved.expires);
        locked.link(entry);
    }
}

fn restore_list(locked: &Locked<'_>, saved: &Saved, values: &[Popped]) {
    let hash = locked.store.hash(&saved.key);
    if values.is_empty() {
        return;
    }
    let Some(entry) = locked.new_list(hash, &saved.key) else { return };
    entry.set_flags(saved.flags);
    entry.set_expires(saved.expires);
    for value in values {
        let value = match value {
            Popped::Number(number) => Value::Number(*number),
            Popped::String(bytes) => Value::String(bytes),
        };
        match locked.new_node(value) {
            Some(node) => locked.link_node(entry, node, End::Right),
            None => break,
        }
    }
    if entry.value_len() == 0 {
        locked.remove(entry);
    }
}

impl Store {
    /// Empties the dictionary and its allocator; whether its state is where it was.
    fn start_anew(&self) -> bool {
        let (slab, root, plan) = (self.slab, self.slab.root(), self.plan);
        slab.clear(root + plan.buckets_at(), (plan.buckets as usize + plan.marks) * 4);
        self.state.set_newest(0);
        self.state.set_oldest(0);
        self.state.set_entries(0);
        self.state.set_bytes(0);
        (0..memory::SIZES).for_each(|number| self.spares.set(number, 0));
        let label = slab.log_context();
        slab.reset();
        slab.set_root(root);
        slab.alloc(plan.size()) == Some(root) && Self::set_label(slab, plan, &label).is_some()
    }
}
