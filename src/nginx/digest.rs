//! MD5, SHA-1 and HMAC-SHA1 by the libraries that nginx brings: its own MD5, and OpenSSL's SHA-1, which
//! picks the processor's instructions. nginx without OpenSSL has a SHA-1 of its own.
//!
//! Both libraries take streams of any pieces; what is digested here lies in one piece, so only whole
//! blocks are handed to them, and the padding is ours: a third of the cost of a short text.
#![allow(unsafe_code)]
use hex_simd::{AsOut as _, AsciiCase};

use super::sys;

pub(crate) type Md5 = [u8; 16];
pub(crate) type Sha1 = [u8; 20];

const BLOCK: usize = 64;

/// The chaining value of a digest.
trait State {
    fn start() -> Self;

    /// Takes in whole blocks.
    fn absorb(&mut self, blocks: &[u8]);

    /// The number of bits as the last block ends with it.
    fn length(bits: u64) -> [u8; 8];

    /// Takes in what is left after `before` bytes, and the padding.
    #[inline]
    fn finish(&mut self, rest: &[u8], before: usize) {
        let (blocks, last) = rest.split_at(rest.len() / BLOCK * BLOCK);
        if !blocks.is_empty() {
            self.absorb(blocks);
        }
        let mut padded = [0; 2 * BLOCK];
        padded[..last.len()].copy_from_slice(last);
        padded[last.len()] = 0x80;
        let end = if last.len() < BLOCK - 8 { BLOCK } else { 2 * BLOCK };
        let bits = 8 * (before + rest.len()) as u64;
        padded[end - 8..end].copy_from_slice(&Self::length(bits));
        self.absorb(&padded[..end]);
    }
}

struct Md5State(sys::ngx_md5_t);

impl State for Md5State {
    #[inline]
    fn start() -> Self {
        // SAFETY: plain integers, all but these zero at the start.
        let nothing: sys::ngx_md5_t = unsafe { core::mem::zeroed() };
        let [a, b, c, d] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self(sys::ngx_md5_t { a, b, c, d, ..nothing })
    }

    #[inline]
    fn absorb(&mut self, blocks: &[u8]) {
        // SAFETY: the state is initialised.
        unsafe { sys::ngx_md5_update(&raw mut self.0, blocks.as_ptr().cast(), blocks.len()) };
    }

    #[inline]
    fn length(bits: u64) -> [u8; 8] {
        bits.to_le_bytes()
    }
}

#[inline(always)]
pub(crate) fn md5(data: &[u8]) -> Md5 {
    let mut state = Md5State::start();
    state.finish(data, 0);
    let mut digest = [0; 16];
    let words = [state.0.a, state.0.b, state.0.c, state.0.d];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    digest
}

/// In lower-case hexadecimal.
pub(crate) fn md5_hex(data: &[u8]) -> [u8; 32] {
    let mut hex = [0; 32];
    let _ = hex_simd::encode(&md5(data), hex.as_mut_slice().as_out(), AsciiCase::Lower);
    hex
}

#[cfg(ngx_feature = "ssl")]
struct Sha1State(sys::SHA_CTX);

#[cfg(ngx_feature = "ssl")]
impl State for Sha1State {
    #[inline]
    fn start() -> Self {
        // SAFETY: plain integers, all but these zero at the start.
        let nothing: sys::SHA_CTX = unsafe { core::mem::zeroed() };
        Self(sys::SHA_CTX {
            h0: 0x6745_2301,
            h1: 0xefcd_ab89,
            h2: 0x98ba_dcfe,
            h3: 0x1032_5476,
            h4: 0xc3d2_e1f0,
            ..nothing
        })
    }

    #[inline]
    fn absorb(&mut self, blocks: &[u8]) {
        let (state, data) = (&raw mut self.0, blocks.as_ptr());
        // SAFETY: the state is initialised; `Transform` reads one block.
        unsafe {
            if blocks.len() == BLOCK {
                sys::SHA1_Transform(state, data);
            } else {
                // Two blocks at once take OpenSSL less than one after the other.
                sys::SHA1_Update(state, data.cast(), blocks.len());
            }
        }
    }

    #[inline]
    fn length(bits: u64) -> [u8; 8] {
        bits.to_be_bytes()
    }
}

#[cfg(ngx_feature = "ssl")]
impl Sha1State {
    fn words(&self) -> [u32; 5] {
        [self.0.h0, self.0.h1, self.0.h2, self.0.h3, self.0.h4]
    }
}

#[cfg(not(ngx_feature = "ssl"))]
struct Sha1State(sys::ngx_sha1_t);

#[cfg(not(ngx_feature = "ssl"))]
impl State for Sha1State {
    fn start() -> Self {
        // SAFETY: `init` leaves the buffer alone, which is only read after it was written.
        unsafe {
            let mut state = core::mem::zeroed();
            sys::ngx_sha1_init(&raw mut state);
            Self(state)
        }
    }

    fn absorb(&mut self, blocks: &[u8]) {
        // SAFETY: the state is initialised.
        unsafe { sys::ngx_sha1_update(&raw mut self.0, blocks.as_ptr().cast(), blocks.len()) };
    }

    fn length(bits: u64) -> [u8; 8] {
        bits.to_be_bytes()
    }
}

#[cfg(not(ngx_feature = "ssl"))]
impl Sha1State {
    fn words(&self) -> [u32; 5] {
        [self.0.a, self.0.b, self.0.c, self.0.d, self.0.e]
    }
}

impl Sha1State {
    fn digest(&self) -> Sha1 {
        let mut digest = [0; 20];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.words()) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

#[inline(always)]
pub(crate) fn sha1(data: &[u8]) -> Sha1 {
    let mut state = Sha1State::start();
    state.finish(data, 0);
    state.digest()
}

/// RFC 2104 over SHA-1.
pub(crate) fn hmac_sha1(key: &[u8], data: &[u8]) -> Sha1 {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..20].copy_from_slice(&sha1(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha1State::start();
    inner.absorb(&block.map(|byte| byte ^ 0x36));
    inner.finish(data, BLOCK);
    let mut outer = Sha1State::start();
    outer.absorb(&block.map(|byte| byte ^ 0x5c));
    outer.finish(&inner.digest(), BLOCK);
    outer.digest()
}
