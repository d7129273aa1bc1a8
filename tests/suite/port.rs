//! Ports for parallel tests. Each runner owns a slot of ports below the ephemeral range by keeping the first
//! port of the slot bound, so runners do not need to know each other; within a slot a port is leased once.
use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Mutex, OnceLock, PoisonError};

const FIRST: u16 = 10_000;
const SLOT: u16 = 200;
const SLOTS: u16 = 110;

/// A port nobody else in this process gets while the lease lives.
#[derive(Debug)]
pub(crate) struct Port(u16);

impl Port {
    pub(crate) fn lease() -> Result<Port, String> {
        let mut slot = slot().lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 1..SLOT {
            slot.next = if slot.next + 1 < SLOT { slot.next + 1 } else { 1 };
            let port = slot.first + slot.next;
            if !slot.leased.contains(&port) && is_free(port) {
                slot.leased.insert(port);
                return Ok(Port(port));
            }
        }
        Err(format!("no free port from {} on", slot.first))
    }

    pub(crate) fn number(&self) -> u16 {
        self.0
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        slot().lock().unwrap_or_else(PoisonError::into_inner).leased.remove(&self.0);
    }
}

struct Slot {
    first: u16,
    next: u16,
    leased: BTreeSet<u16>,
    _claim: Option<TcpListener>,
}

fn slot() -> &'static Mutex<Slot> {
    static CLAIMED: OnceLock<Mutex<Slot>> = OnceLock::new();
    CLAIMED.get_or_init(|| {
        let start = u16::try_from(std::process::id() % u32::from(SLOTS)).unwrap_or(0);
        let firsts = (0..SLOTS).map(|n| FIRST + (start + n) % SLOTS * SLOT);
        let claim = |first| Some((first, TcpListener::bind(("127.0.0.1", first)).ok()?));
        // With every slot taken the bind checks of single ports are all there is.
        let (first, claim) = firsts
            .clone()
            .find_map(claim)
            .map_or((FIRST + start * SLOT, None), |(first, socket)| (first, Some(socket)));
        Mutex::new(Slot { first, next: 0, leased: BTreeSet::new(), _claim: claim })
    })
}

fn is_free(port: u16) -> bool {
    let address = ("127.0.0.1", port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}
