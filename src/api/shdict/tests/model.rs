//! What a dictionary should hold: a map, told which entries have been evicted.
use std::collections::{BTreeMap, VecDeque};

use super::super::list::Popped;
use super::super::store::Found;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Content {
    Boolean(bool),
    Number(f64),
    String(Vec<u8>),
    List(VecDeque<Popped>),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Kept {
    pub(super) content: Content,
    pub(super) flags: u32,
    pub(super) expires: u64,
}

impl Kept {
    pub(super) fn is_stale(&self, now: u64) -> bool {
        self.expires != 0 && self.expires <= now
    }

    pub(super) fn len(&self) -> Option<usize> {
        match &self.content {
            Content::Boolean(_) => Some(1),
            Content::Number(_) => Some(8),
            Content::String(bytes) => Some(bytes.len()),
            Content::List(_) => None,
        }
    }

    /// Whether `found`, with its bytes in `bytes`, is this.
    pub(super) fn is(&self, found: Found, bytes: &[u8]) -> bool {
        match (&self.content, found) {
            (Content::Boolean(own), Found::Boolean(other)) => *own == other,
            (Content::Number(own), Found::Number(other)) => *own == other,
            (Content::String(own), Found::String(len)) => own.len() == len && own == bytes,
            _ => false,
        }
    }
}

pub(super) type Model = BTreeMap<Vec<u8>, Kept>;
