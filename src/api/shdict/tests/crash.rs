//! Processes that are killed while they change a dictionary.
use super::super::list::{End, Popped};
use super::super::store::{Answer, Found, Stale, Store, StoreError, Value};
use super::super::write::{Item, Shortage, When};
use super::host::{Bytes, Dice, store};

/// Values that say what they are: the first byte repeated, or one number over and over.
fn write_forever(store: &Store, seed: u64) -> ! {
    let mut dice = Dice(seed);
    // A small zone is filled, and pages are cleared for the long ones.
    let is_small = store.slab.size() < 1 << 20;
    let lens: &[usize] = if is_small { &[10, 10, 300, 3000, 20_000] } else { &[10, 10, 300, 3000] };
    loop {
        let n = dice.roll(60);
        let key = format!("key {n}").into_bytes();
        let byte = dice.roll(256) as u8;
        let text = vec![byte; lens[dice.roll(lens.len() as u64) as usize]];
        let item = |value| Item { key: &key, value, flags: 0, expires: 0 };
        let list = format!("list {}", n % 8).into_bytes();
        let end = if dice.roll(2) == 0 { End::Left } else { End::Right };
        match dice.roll(10) {
            0..5 => {
                let _ = store.set(item(Value::String(&text)), When::Always, Shortage::Evict, 1);
            }
            5 => store.delete(&key, 1),
            6 => {
                let _ = store.incr(b"count", 1.0, Some((0.0, 0)), 1);
            }
            // However long it lives, it does not fill the zone.
            7 | 8 if store.list_len(&list, 1).unwrap_or(0) < 20 => {
                let _ = store.push(&list, Value::String(&text), end, 1);
            }
            _ => {
                let _ = store.pop(&list, end, 1);
            }
        }
    }
}

fn check(store: &Store) {
    // Repairs, so that keys are not listed half before and half after that.
    drop(store.lock());
    let is_whole = |bytes: &[u8]| bytes.iter().all(|b| *b == bytes[0]);
    let keys: Vec<_> = store.keys(0, 1).iter().map(<[u8]>::to_vec).collect();
    assert_eq!(store.stats().entries as usize, keys.len());
    assert_eq!(store.lock().oldest_first().count(), keys.len());
    for key in keys {
        let mut room = Bytes::default();
        match store.get(&key, Stale::Refuse, 1, &mut room) {
            Ok(Some(_)) => assert!(room.0.is_empty() || is_whole(&room.0), "{key:?} is torn"),
            Ok(None) => panic!("{key:?} is not found"),
            Err(error) => {
                assert_eq!(error, StoreError::IsAList);
                let len = store.list_len(&key, 1).unwrap();
                for left in (0..len).rev() {
                    let Ok(Some(Popped::String(value))) = store.pop(&key, End::Left, 1) else {
                        panic!("{key:?} has fewer than {len}");
                    };
                    assert!(is_whole(&value));
                    assert_eq!(store.list_len(&key, 1), Ok(left));
                }
            }
        }
    }
}

fn kill_writers(store: &Store, rounds: u64, after_each: impl Fn()) {
    let started = super::host::store(16 << 10);
    for round in 1..=rounds {
        // SAFETY: the child does nothing but use the store, and is killed.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as nginx does in a new worker; the lock is marked with it.
            unsafe { crate::nginx::sys::ngx_pid = libc::getpid() };
            // Not counted up: whoever died here before may have taken the entry with it.
            let value = Value::Number(round as f64);
            let item = Item { key: b"round", value, flags: 0, expires: 0 };
            let _ = started.set(item, When::Always, Shortage::Evict, 1);
            write_forever(store, round);
        }
        let is_round = |answer| answer == Ok(Some(Found::Number(round as f64)));
        let value = |answer: Answer| answer.value;
        let ask = || started.get(b"round", Stale::Refuse, 1, &mut Bytes::default());
        while !is_round(ask().map(|answer| answer.map(value))) {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(round * 7 % 500));
        // SAFETY: our own child.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, core::ptr::null_mut(), 0);
        }
        check(store);
        after_each();
    }
}

#[test]
fn a_killed_writer_leaves_the_zone_usable() {
    let store = store(80 << 10);
    kill_writers(&store, 300, || {});
    assert!(store.stats().repairs > 5 && store.stats().evictions > 1000, "{:?}", store.stats());
    // Nothing has been lost of the memory.
    store.flush_all(1);
    store.flush_expired(0, 1);
    let stats = store.stats();
    assert_eq!((stats.entries, stats.bytes), (0, 0));
    let item = Item { key: b"k", value: Value::String(&[1; 60_000]), flags: 0, expires: 0 };
    store.set(item, When::Always, Shortage::Fail, 1).result.unwrap();
}

#[test]
fn what_a_killed_writer_did_not_touch_is_all_there() {
    let store = store(2 << 20);
    let text = |i: usize| vec![i as u8; i * 7];
    let key = |i: usize| format!("fixed {i}").into_bytes();
    for i in 0..200 {
        let (key, text) = (key(i), text(i));
        let item = Item { key: &key, value: Value::String(&text), flags: i as u32, expires: 0 };
        store.set(item, When::Always, Shortage::Fail, 1).result.unwrap();
    }
    kill_writers(&store, 300, || {
        for i in 0..200 {
            let mut room = Bytes::default();
            let answer = store.get(&key(i), Stale::Refuse, 1, &mut room).unwrap().unwrap();
            assert!(answer.flags == i as u32 && room.0 == text(i));
        }
    });
    assert!(store.stats().repairs > 5 && store.stats().evictions == 0, "{:?}", store.stats());
}
