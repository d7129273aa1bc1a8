//! MD5, SHA-1 and HMAC-SHA1 by the libraries that nginx brings: its own MD5, and OpenSSL's SHA-1, which
//! picks the processor's instructions. nginx without OpenSSL has a SHA-1 of its own.
#![allow(unsafe_code)]
use super::sys;

#[cfg(ngx_feature = "ssl")]
use sys::{SHA_CTX as Sha1State, SHA1_Final, SHA1_Init, SHA1_Update};

/// nginx's SHA-1, under OpenSSL's names and in its order of arguments.
#[cfg(not(ngx_feature = "ssl"))]
mod own_sha1 {
    use super::sys::{ngx_sha1_final, ngx_sha1_init, ngx_sha1_update};

    pub(super) use super::sys::ngx_sha1_t as Sha1State;
    pub(super) use ngx_sha1_init as SHA1_Init;
    pub(super) use ngx_sha1_update as SHA1_Update;

    pub(super) unsafe fn SHA1_Final(digest: *mut u8, state: *mut Sha1State) {
        // SAFETY: the caller's contract.
        unsafe { ngx_sha1_final(digest, state) }
    }
}
#[cfg(not(ngx_feature = "ssl"))]
use own_sha1::{SHA1_Final, SHA1_Init, SHA1_Update, Sha1State};

pub(crate) type Md5 = [u8; 16];
pub(crate) type Sha1 = [u8; 20];

const SHA1_BLOCK: usize = 64;

pub(crate) fn md5(data: &[u8]) -> Md5 {
    let mut digest = [0; 16];
    // SAFETY: the state is initialised before its other uses.
    unsafe {
        let mut state = core::mem::MaybeUninit::<sys::ngx_md5_t>::uninit();
        sys::ngx_md5_init(state.as_mut_ptr());
        sys::ngx_md5_update(state.as_mut_ptr(), data.as_ptr().cast(), data.len());
        sys::ngx_md5_final(digest.as_mut_ptr(), state.as_mut_ptr());
    }
    digest
}

pub(crate) fn sha1(data: &[u8]) -> Sha1 {
    sha1_of(&[data])
}

/// The digest of all `parts`, one after the other.
fn sha1_of(parts: &[&[u8]]) -> Sha1 {
    let mut digest = [0; 20];
    // SAFETY: the state is initialised before its other uses.
    unsafe {
        let mut state = core::mem::MaybeUninit::<Sha1State>::uninit();
        SHA1_Init(state.as_mut_ptr());
        for part in parts {
            SHA1_Update(state.as_mut_ptr(), part.as_ptr().cast(), part.len());
        }
        SHA1_Final(digest.as_mut_ptr(), state.as_mut_ptr());
    }
    digest
}

/// RFC 2104 over SHA-1.
pub(crate) fn hmac_sha1(key: &[u8], data: &[u8]) -> Sha1 {
    let mut block = [0; SHA1_BLOCK];
    if key.len() > SHA1_BLOCK {
        block[..20].copy_from_slice(&sha1(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = sha1_of(&[&block.map(|byte| byte ^ 0x36), data]);
    sha1_of(&[&block.map(|byte| byte ^ 0x5c), &inner])
}

/// In lower-case hexadecimal.
pub(crate) fn md5_hex(data: &[u8]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 32];
    for (pair, byte) in hex.as_chunks_mut().0.iter_mut().zip(md5(data)) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    hex
}
