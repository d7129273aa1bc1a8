//! What a user sees, case by case.
use super::super::list::{End, Popped, PushError};
use super::super::store::{Found, Stale, Store, StoreError, Value};
use super::super::write::{Item, Shortage, When};
use super::host::{Bytes, store};

fn item<'a>(key: &'a [u8], value: Value<'a>, expires: u64) -> Item<'a> {
    Item { key, value, flags: 0, expires }
}

fn set(store: &Store, key: &[u8], value: &[u8]) -> (Result<(), StoreError>, bool) {
    let item = item(key, Value::String(value), 0);
    let stored = store.set(item, When::Always, Shortage::Evict, 1000);
    (stored.result, stored.forcible)
}

fn get(store: &Store, key: &[u8], now: u64) -> Option<Vec<u8>> {
    let mut room = Bytes::default();
    let answer = store.get(key, Stale::Refuse, now, &mut room).unwrap()?;
    assert!(matches!(answer.value, Found::String(_)));
    Some(room.0)
}

#[test]
fn a_value_comes_back_with_its_flags() {
    let store = store(64 << 10);
    for value in [Value::Number(0.5), Value::Boolean(true), Value::String(b"text")] {
        let item = Item { key: b"k", value, flags: 7, expires: 0 };
        store.set(item, When::Always, Shortage::Evict, 1).result.unwrap();
        let mut room = Bytes::default();
        let answer = store.get(b"k", Stale::Refuse, 1, &mut room).unwrap().unwrap();
        assert_eq!((answer.flags, answer.stale), (7, false));
        match value {
            Value::Number(number) => assert_eq!(answer.value, Found::Number(number)),
            Value::Boolean(truth) => assert_eq!(answer.value, Found::Boolean(truth)),
            Value::String(bytes) => assert_eq!(room.0, bytes),
        }
    }
}

#[test]
fn time_passes() {
    let store = store(64 << 10);
    let item = item(b"k", Value::Number(1.0), 100);
    store.set(item, When::Always, Shortage::Evict, 1).result.unwrap();
    let mut room = Bytes::default();
    assert!(store.get(b"k", Stale::Refuse, 99, &mut room).unwrap().is_some());
    assert_eq!(store.get(b"k", Stale::Refuse, 100, &mut room), Ok(None));
    assert!(store.get(b"k", Stale::Accept, 100, &mut room).unwrap().unwrap().stale);
    assert_eq!(store.expires(b"k"), Some(100));
    assert!(store.set_expires(b"k", 0));
    assert!(store.get(b"k", Stale::Refuse, 101, &mut room).unwrap().is_some());
    assert!(!store.set_expires(b"other", 0));
}

#[test]
fn a_use_is_a_second_chance() {
    let store = store(64 << 10);
    let key = |i: usize| format!("key{i}").into_bytes();
    let mut last = 0;
    while !set(&store, &key(last), &[b'x'; 200]).1 {
        if last == 10 {
            assert!(get(&store, &key(0), 1000).is_some());
        }
        last += 1;
    }
    assert!(get(&store, &key(0), 1000).is_some(), "it has been read");
    assert!(get(&store, &key(1), 1000).is_none(), "it has not");
    assert_eq!(store.stats().evictions, 1);
}

#[test]
fn what_does_not_fit_at_all_costs_what_is_there() {
    let store = store(64 << 10);
    assert_eq!(set(&store, b"big", &[0; 100_000]), (Err(StoreError::NoMemory), false));
    set(&store, b"small", b"x").0.unwrap();
    assert_eq!(set(&store, b"big", &[0; 100_000]), (Err(StoreError::NoMemory), true));
    assert_eq!(get(&store, b"small", 1000), None);
}

#[test]
fn lists_have_two_ends() {
    let store = store(64 << 10);
    for (end, text) in [(End::Left, "b"), (End::Right, "c"), (End::Left, "a")] {
        store.push(b"l", Value::String(text.as_bytes()), end, 1).unwrap();
    }
    assert_eq!(store.list_len(b"l", 1), Ok(3));
    let string = |text: &str| Ok(Some(Popped::String(text.as_bytes().into())));
    assert_eq!(store.pop(b"l", End::Left, 1), string("a"));
    assert_eq!(store.pop(b"l", End::Right, 1), string("c"));
    assert_eq!(store.pop(b"l", End::Right, 1), string("b"));
    assert_eq!(store.pop(b"l", End::Right, 1), Ok(None));
    assert_eq!(store.stats().entries, 0);
    assert_eq!(store.stats().bytes, 0);
}

#[test]
fn lists_and_values_do_not_mix() {
    let store = store(64 << 10);
    store.push(b"l", Value::Number(1.0), End::Left, 1).unwrap();
    set(&store, b"k", b"text").0.unwrap();
    let pushed = store.push(b"k", Value::Number(1.0), End::Left, 1);
    assert_eq!(pushed, Err(PushError::NotAList));
    assert_eq!(store.pop(b"k", End::Left, 1), Err(StoreError::NotAList));
    assert_eq!(store.list_len(b"k", 1), Err(StoreError::NotAList));
    let got = store.get(b"l", Stale::Refuse, 1, &mut Bytes::default());
    assert_eq!(got, Err(StoreError::IsAList));
    set(&store, b"l", b"text").0.unwrap();
    assert_eq!(get(&store, b"l", 1).as_deref(), Some(b"text".as_slice()));
}

#[test]
fn a_scan_finds_every_key_once() {
    let store = store(1 << 20);
    for i in 0..3000 {
        set(&store, format!("{i}").as_bytes(), b"x").0.unwrap();
    }
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        let (next, keys) = store.scan(cursor, 10, 1);
        assert!(keys.len() < 30);
        seen.extend(keys.iter().map(<[u8]>::to_vec));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3000);
    assert_eq!(store.scan(u32::MAX, 10, 1).0, 0);
}

#[test]
fn keys_of_any_length_are_listed() {
    let store = store(1 << 20);
    let lens = (1..60).chain([300, 65535, 17, 5]);
    let key = |len: usize| (0..len).map(|i| (i + len) as u8).collect::<Vec<_>>();
    for len in lens {
        set(&store, &key(len), b"x").0.unwrap();
    }
    let lens = (1..60).chain([300, 65535]);
    for max in [0, 1000, 61] {
        let mut listed: Vec<_> = store.keys(max, 1000).iter().map(<[u8]>::to_vec).collect();
        listed.sort_by_key(Vec::len);
        assert!(lens.clone().map(key).eq(listed), "{max}");
    }
    assert_eq!(store.keys(7, 1000).len(), 7);
}

#[test]
fn a_spare_block_is_no_lost_memory() {
    let store = store(64 << 10);
    let free = store.free_space();
    for len in [10, 100, 200, 400, 900, 1800] {
        set(&store, b"k", &vec![1; len]).0.unwrap();
    }
    // One page for what is there now; what was there before is spare, and counts as free.
    assert_eq!(store.free_space(), free - 4096);
    set(&store, b"k", &[2; 10]).0.unwrap();
    store.delete(b"k", 1);
    let all =
        Item { key: b"all", value: Value::String(&vec![3; free - 100]), flags: 0, expires: 0 };
    store.set(all, When::Always, Shortage::Fail, 1).result.unwrap();
    assert_eq!(store.stats().entries, 1);
}

#[test]
fn flushing_takes_everything_and_keeps_nothing() {
    for entries in [5, 3000] {
        let store = store(1 << 20);
        for i in 0..entries {
            set(&store, format!("{i}").as_bytes(), b"x").0.unwrap();
        }
        assert_eq!(store.keys(0, 1000).len(), entries);
        store.flush_all(1000);
        assert_eq!(get(&store, b"1", 1000), None);
        assert_eq!(store.flush_expired(2, 1000), 2);
        assert_eq!(store.flush_expired(0, 1000), entries - 5);
        assert_eq!(store.stats().entries, 0);
        assert_eq!(store.stats().expired, entries as u64);
    }
}

#[test]
fn readers_and_writers_meet() {
    let store = store(1 << 20);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let store = Shared(store);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let store = &store;
            for i in 0..200_000_u32 {
                let text = [i as u8; 300];
                let _ = set(&store.0, b"hot", &text[..(i % 4 * 100) as usize]);
                let _ = set(&store.0, format!("other{}", i % 50).as_bytes(), &text[..50]);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let store = &store;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            if let Some(value) = get(&store.0, b"hot", 1000) {
                assert!(value.iter().all(|b| *b == value[0]), "a torn value");
                assert_eq!(value.len() % 100, 0);
            }
        }
    });
}

struct Shared(Store);
// SAFETY: a store has a lock of its own.
unsafe impl Sync for Shared {}
