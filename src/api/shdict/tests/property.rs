//! Random operations on tiny zones, compared with the model after each.
use std::collections::VecDeque;

use super::super::list::{End, Popped, PushError};
use super::super::store::{Answer, Found, Stale, Store, StoreError, Unusual, Value};
use super::super::write::{Item, Shortage, When};
use super::host::{Bytes, Dice, store};
use super::model::{Content, Kept, Model};

const KEYS: u64 = 40;

struct Run {
    store: Store,
    model: Model,
    dice: Dice,
    now: u64,
}

#[test]
fn a_million_operations() {
    // Zones of one page for entries, of a few, and of many.
    for (seed, size) in [(1, 12 << 10), (2, 20 << 10), (3, 50 << 10), (4, 1 << 20)] {
        let mut run =
            Run { store: store(size), model: Model::new(), dice: Dice(seed), now: 1_000_000 };
        for i in 0..250_000 {
            run.step();
            if i % 500 == 0 {
                run.compare_all();
            }
        }
    }
}

impl Run {
    fn step(&mut self) {
        self.now += self.dice.roll(3);
        let key = format!("key {}", self.dice.roll(KEYS)).into_bytes();
        match self.dice.roll(100) {
            0..40 => self.set(&key),
            40..65 => self.get(&key),
            65..75 => self.incr(&key),
            75..83 => self.push(&key),
            83..89 => self.pop(&key),
            89..93 => self.expire(&key),
            93..97 => {
                self.store.delete(&key, self.now);
                self.model.remove(&key);
            }
            97 => self.flush_expired(),
            98 => self.keys(),
            _ if self.dice.roll(20) == 0 => self.flush_all(),
            _ => {}
        }
        self.forget_lost(&key);
    }

    fn value(&mut self) -> Content {
        match self.dice.roll(8) {
            0 => Content::Boolean(self.dice.roll(2) == 0),
            1 | 2 => Content::Number(self.dice.roll(1000) as f64),
            _ => {
                let len = match self.dice.roll(10) {
                    0 => self.dice.roll(9000),
                    1 => 8,
                    2..5 => self.dice.roll(1000),
                    _ => self.dice.roll(100),
                };
                let byte = self.dice.roll(256) as u8;
                Content::String((0..len).map(|i| byte.wrapping_add(i as u8)).collect())
            }
        }
    }

    fn time(&mut self) -> u64 {
        if self.dice.roll(2) == 0 { 0 } else { self.now + self.dice.roll(300) }
    }

    fn set(&mut self, key: &[u8]) {
        let (content, flags, expires) = (self.value(), self.dice.roll(5) as u32, self.time());
        let when = [When::Always, When::Always, When::IfAbsent, When::IfPresent];
        let when = when[self.dice.roll(4) as usize];
        let shortage = if self.dice.roll(3) == 0 { Shortage::Fail } else { Shortage::Evict };
        let value = value_of(&content);
        let stored = self.store.set(Item { key, value, flags, expires }, when, shortage, self.now);
        let is_alive = self.model.get(key).is_some_and(|kept| !kept.is_stale(self.now));
        match stored.result {
            Ok(()) => {
                assert!(match when {
                    When::Always => true,
                    When::IfAbsent => !is_alive,
                    When::IfPresent => is_alive,
                });
                self.model.insert(key.to_vec(), Kept { content, flags, expires });
            }
            Err(StoreError::Exists) => assert!(is_alive && when == When::IfAbsent),
            Err(StoreError::NotFound) => assert!(!is_alive && when == When::IfPresent),
            Err(error) => {
                assert_eq!(error, StoreError::NoMemory);
                // The old value had to go first.
                self.model.remove(key);
            }
        }
    }

    fn get(&mut self, key: &[u8]) {
        let stale = if self.dice.roll(3) == 0 { Stale::Accept } else { Stale::Refuse };
        let mut room = Bytes::default();
        let got = self.store.get(key, stale, self.now, &mut room);
        self.get_at_once(key, stale, &got, &room.0);
        let kept = self.model.get(key);
        let kept = kept.filter(|kept| stale == Stale::Accept || !kept.is_stale(self.now));
        match got {
            Ok(Some(answer)) => {
                let kept = kept.unwrap();
                assert!(kept.is(answer.value, &room.0));
                assert_eq!((answer.flags, answer.stale), (kept.flags, kept.is_stale(self.now)));
            }
            Ok(None) => {
                // Stale entries may go at any time.
                assert!(kept.is_none_or(|kept| kept.is_stale(self.now)));
            }
            Err(error) => {
                assert_eq!(error, StoreError::IsAList);
                assert!(matches!(kept.unwrap().content, Content::List(_)));
            }
        }
    }

    /// What it answers is what `get` answers; and it does so unless the value is long, a list or over.
    fn get_at_once(
        &self,
        key: &[u8],
        stale: Stale,
        got: &Result<Option<Answer>, StoreError>,
        bytes: &[u8],
    ) {
        let mut buffer = [0_u8; 50];
        let place = buffer.as_mut_ptr();
        // SAFETY: the buffer is looked at when nobody writes to it any more.
        let room = || unsafe { core::slice::from_raw_parts_mut(place.cast(), 50) };
        match self.store.get_at_once(key, stale, || self.now, room) {
            Ok(answer) => {
                assert_eq!(Ok(answer), *got);
                if let Some(Answer { value: Found::String(len), .. }) = answer {
                    assert_eq!(&buffer[..len], bytes);
                }
            }
            Err(Unusual) => {
                let is_over = matches!(got, Ok(Some(answer)) if answer.stale);
                assert!(bytes.len() > 50 || got.is_err() || is_over);
            }
        }
    }

    fn incr(&mut self, key: &[u8]) {
        let by = self.dice.roll(10) as f64;
        let init = (self.dice.roll(2) == 0).then(|| (self.dice.roll(100) as f64, self.time()));
        let result = self.store.incr(key, by, init, self.now).result;
        let kept = self.model.get_mut(key).filter(|kept| !kept.is_stale(self.now));
        match (result, kept) {
            (Ok(sum), Some(kept)) => {
                let Content::Number(number) = &mut kept.content else { panic!("no number") };
                *number += by;
                assert_eq!(*number, sum);
            }
            (Ok(sum), None) => {
                let (init, expires) = init.unwrap();
                assert_eq!(sum, init + by);
                let content = Content::Number(sum);
                self.model.insert(key.to_vec(), Kept { content, flags: 0, expires });
            }
            (Err(StoreError::NotANumber), Some(kept)) => {
                assert!(!matches!(kept.content, Content::Number(_)));
            }
            (Err(StoreError::NotFound), None) => assert!(init.is_none()),
            (Err(StoreError::NoMemory), None) => {
                self.model.remove(key);
            }
            (result, kept) => panic!("{result:?} for {kept:?}"),
        }
    }

    fn push(&mut self, key: &[u8]) {
        let content = match self.value() {
            Content::Boolean(_) => Content::Number(3.0),
            content => content,
        };
        let end = if self.dice.roll(2) == 0 { End::Left } else { End::Right };
        let value = match &content {
            Content::Number(number) => Popped::Number(*number),
            Content::String(bytes) => Popped::String(bytes.as_slice().into()),
            _ => unreachable!(),
        };
        let pushed = self.store.push(key, value_of(&content), end, self.now);
        let kept = self.model.get(key).filter(|kept| !kept.is_stale(self.now));
        let mut list = match kept.map(|kept| &kept.content) {
            None => VecDeque::new(),
            Some(Content::List(list)) => list.clone(),
            Some(_) => {
                assert_eq!(pushed, Err(PushError::NotAList));
                return;
            }
        };
        let was_empty = list.is_empty();
        let (flags, expires) = kept.map_or((0, 0), |kept| (kept.flags, kept.expires));
        match pushed {
            Ok(len) => {
                match end {
                    End::Left => list.push_front(value),
                    End::Right => list.push_back(value),
                }
                assert_eq!(len as usize, list.len());
                let content = Content::List(list);
                self.model.insert(key.to_vec(), Kept { content, flags, expires });
            }
            Err(PushError::NotAList) => panic!("it is one"),
            Err(_) if was_empty => {
                self.model.remove(key);
            }
            Err(_) => {}
        }
    }

    fn pop(&mut self, key: &[u8]) {
        let end = if self.dice.roll(2) == 0 { End::Left } else { End::Right };
        let popped = self.store.pop(key, end, self.now);
        let kept = self.model.get_mut(key).filter(|kept| !kept.is_stale(self.now));
        match kept.map(|kept| &mut kept.content) {
            None => assert_eq!(popped, Ok(None)),
            Some(Content::List(list)) => {
                let value = if end == End::Left { list.pop_front() } else { list.pop_back() };
                assert_eq!(popped, Ok(value));
                if list.is_empty() {
                    self.model.remove(key);
                }
            }
            Some(_) => assert_eq!(popped, Err(StoreError::NotAList)),
        }
    }

    fn expire(&mut self, key: &[u8]) {
        let expires = self.time();
        let found = self.store.set_expires(key, expires);
        match self.model.get_mut(key) {
            Some(kept) if found => kept.expires = expires,
            // A stale entry may have gone.
            Some(kept) => assert!(kept.is_stale(self.now)),
            None => assert!(!found),
        }
    }

    fn flush_expired(&mut self) {
        let max = self.dice.roll(5) as usize;
        let freed = self.store.flush_expired(max, self.now);
        assert!(max == 0 || freed <= max);
        if max == 0 {
            self.model.retain(|_, kept| !kept.is_stale(self.now));
        }
    }

    fn keys(&mut self) {
        let mut keys: Vec<_> = self.store.keys(0, self.now).iter().map(<[u8]>::to_vec).collect();
        keys.sort();
        let alive = self.model.iter().filter(|(_, kept)| !kept.is_stale(self.now));
        let expected: Vec<_> = alive.map(|(key, _)| key).collect();
        assert_eq!(keys.iter().collect::<Vec<_>>(), expected);
    }

    fn flush_all(&mut self) {
        self.store.flush_all(self.now);
        self.model.clear();
        self.store.flush_expired(0, self.now);
    }

    /// Storing may evict, anything may drop what is stale; but never the key at hand, unless it is stale,
    /// and nothing may come back.
    fn forget_lost(&mut self, key: &[u8]) {
        let (store, now) = (&self.store, self.now);
        self.model.retain(|other, kept| {
            let is_there = store.expires(other).is_some();
            assert!(is_there || other != key || kept.is_stale(now));
            is_there
        });
    }

    fn compare_all(&self) {
        let stats = self.store.stats();
        assert_eq!(stats.entries as usize, self.model.len());
        let bytes = self.model.iter().map(|(key, kept)| size_of_entry(key, kept)).sum::<usize>();
        assert_eq!(stats.bytes as usize, bytes);
        for (key, kept) in &self.model {
            let mut room = Bytes::default();
            match self.store.get(key, Stale::Accept, self.now, &mut room) {
                Ok(Some(answer)) => assert!(kept.is(answer.value, &room.0)),
                Ok(None) => panic!("lost {key:?}"),
                Err(error) => assert_eq!((error, kept.len()), (StoreError::IsAList, None)),
            }
        }
        let locked = self.store.lock();
        assert_eq!(locked.oldest_first().count(), self.model.len());
    }
}

fn size_of_entry(key: &[u8], kept: &Kept) -> usize {
    let Content::List(list) = &kept.content else {
        return 36 + key.len() + kept.len().unwrap_or_default();
    };
    let node = |value: &Popped| match value {
        Popped::Number(_) => 13 + 8,
        Popped::String(bytes) => 13 + bytes.len(),
    };
    (36 + key.len()).next_multiple_of(4) + 8 + list.iter().map(node).sum::<usize>()
}

fn value_of(content: &Content) -> Value<'_> {
    match content {
        Content::Boolean(truth) => Value::Boolean(*truth),
        Content::Number(number) => Value::Number(*number),
        Content::String(bytes) => Value::String(bytes),
        Content::List(_) => unreachable!(),
    }
}
