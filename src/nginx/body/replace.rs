//! Giving a request another body: from memory, from a file, or piece by piece.
//!
//! What is set here is one buffer: ours by its tag, and the only one of the body's chain. What nginx has
//! read itself is never written to. The request's Content-Length follows.
#![allow(unsafe_code)]
use core::ptr;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::nginx::Request;
use crate::nginx::chain::Tag;
use crate::nginx::headers::{Mode, request as headers};
use crate::nginx::sys::{
    self, ngx_buf_t, ngx_chain_t, ngx_http_request_body_t, ngx_http_request_t,
};

/// Why the body stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotReplaced {
    Discarded,
    Unread,
    NotInitialized,
    CannotOpen,
    CannotWrite,
    CannotSetLength,
    NoMemory,
}

/// What becomes of a body's file when the request ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileFate {
    Kept,
    Deleted,
}

type Result<T> = core::result::Result<T, NotReplaced>;
type RequestBody = *mut ngx_http_request_body_t;

const NO_FILE: sys::ngx_fd_t = -1;

/// What a process can address at most; nginx is not asked for more, as it logs [emerg] for what it cannot get.
const ADDRESS_SPACE: usize = 1 << 47;

/// The body becomes `data`.
pub(crate) fn set_data(r: Request, data: &[u8]) -> Result<()> {
    let body = replaceable(r)?;
    // SAFETY: [request-alive]; `copy` is a copy of `data` in the request's pool.
    unsafe {
        close_file(r, body);
        let b = own_buffer(r, body)?;
        if data.is_empty() {
            clear(body);
        } else {
            let copy = r.pool().copy(data).ok_or(NotReplaced::NoMemory)?;
            set_memory(b, copy.data, copy.len);
            (*b).last = (*b).end;
            (*body).buf = b;
        }
    }
    set_length(r, data.len() as sys::off_t)
}

/// The body becomes the content of the file at `path`.
///
/// Reference: it gives up the old body first, so that a file that cannot be opened leaves none; and it
/// takes a directory for a file.
pub(crate) fn set_file(r: Request, path: &[u8], fate: FileFate) -> Result<()> {
    let body = replaceable(r)?;
    let file = open(path)?;
    let len = file.metadata().map_err(|_| NotReplaced::CannotOpen)?;
    let len = if len.is_dir() { return Err(NotReplaced::CannotOpen) } else { len.len() };
    let name = r.pool().copy_with_nul(path).ok_or(NotReplaced::NoMemory)?;
    let len = len as sys::off_t;
    // SAFETY: [request-alive]; an all-zero `ngx_temp_file_t` is nginx's own initial state; all that the
    // body points to lies in the request's pool.
    unsafe {
        let pool = r.pool().as_ptr();
        let temp = sys::ngx_pcalloc(pool, size_of::<sys::ngx_temp_file_t>());
        let temp = temp.cast::<sys::ngx_temp_file_t>();
        let cleanup = sys::ngx_pool_cleanup_add(pool, size_of::<sys::ngx_pool_cleanup_file_t>());
        if temp.is_null() || cleanup.is_null() {
            return Err(NotReplaced::NoMemory);
        }
        close_file(r, body);
        let b = own_buffer(r, body)?;
        let log = r.log().as_ptr();
        (*temp).file.fd = file.as_raw_fd();
        (*temp).file.name = name;
        (*temp).file.log = log;
        (*body).temp_file = temp;
        let close = (*cleanup).data.cast::<sys::ngx_pool_cleanup_file_t>();
        close.write(sys::ngx_pool_cleanup_file_t {
            fd: file.into_raw_fd(),
            name: name.data,
            log: (*pool).log,
        });
        (*cleanup).handler = Some(match fate {
            FileFate::Kept => sys::ngx_pool_cleanup_file,
            FileFate::Deleted => sys::ngx_pool_delete_file,
        });
        if len == 0 {
            // nginx has no use for a buffer of nothing.
            run(cleanup);
            (*temp).file.fd = NO_FILE;
            clear(body);
        } else {
            set_in_file(b, temp, len);
            (*b).set_last_in_chain(1);
        }
    }
    set_length(r, len)
}

/// Begins a new body, of which `size` bytes (unless given, those of `client_body_buffer_size`) are kept
/// in memory before it goes to a file; with 0 bytes it is in a file from the start. Without the memory for
/// it the body stays what it was.
pub(crate) fn begin(r: Request, size: Option<usize>) -> Result<()> {
    let body = replaceable(r)?;
    // SAFETY: [request-alive]; `memory` is that of the buffer alone.
    unsafe {
        let size = size.unwrap_or_else(|| (*r.core_loc_conf()).client_body_buffer_size);
        if size > ADDRESS_SPACE {
            return Err(NotReplaced::NoMemory);
        }
        let memory = r.pool().bytes(size).ok_or(NotReplaced::NoMemory)?;
        let raw = r.as_ptr();
        if size == 0 {
            ngx_http_request_t::set_request_body_in_file_only_raw(raw, 1);
        }
        ngx_http_request_t::set_request_body_in_clean_file_raw(raw, 1);
        close_file(r, body);
        let b = own_buffer(r, body)?;
        set_memory(b, memory.as_ptr(), size);
        (*body).buf = b;
        (*raw).headers_in.content_length_n = 0;
    }
    Ok(())
}

/// Adds to the body that [`begin`] began.
pub(crate) fn append(r: Request, data: &[u8]) -> Result<()> {
    let (body, b) = appendable(r)?;
    let length = length_of(r);
    // SAFETY: [request-alive]; the buffer is our own, with memory from `start` to `end`.
    unsafe {
        let raw = r.as_ptr();
        let in_file = ngx_http_request_t::request_body_in_file_only_raw(raw) != 0;
        if in_file || (*b).start == (*b).end {
            let mut piece: ngx_buf_t = core::mem::zeroed();
            set_memory(&raw mut piece, data.as_ptr().cast_mut(), data.len());
            piece.last = piece.end;
            write(r, body, &raw mut piece)?;
            *length += data.len() as sys::off_t;
            return Ok(());
        }
        let mut rest = data;
        while !rest.is_empty() {
            if (*b).last == (*b).end {
                write(r, body, b)?;
                (*b).last = (*b).start;
            }
            let room = (*b).end.offset_from_unsigned((*b).last);
            let (now, later) = rest.split_at(room.min(rest.len()));
            (*b).last.copy_from_nonoverlapping(now.as_ptr(), now.len());
            (*b).last = (*b).last.add(now.len());
            *length += now.len() as sys::off_t;
            rest = later;
        }
    }
    Ok(())
}

/// Ends the body that [`begin`] began.
///
/// Reference: it leaves an empty buffer of an empty body, which nginx's proxy complains of; and it lets
/// code append to a body that is in a file already, and loses that.
pub(crate) fn finish(r: Request) -> Result<()> {
    let (body, b) = appendable(r)?;
    // SAFETY: [request-alive]; an all-zero buffer is nginx's own initial state.
    unsafe {
        let temp = (*body).temp_file;
        if !temp.is_null() {
            write(r, body, b)?;
            let len = (*temp).file.offset;
            let b = own_buffer(r, body)?;
            if len > 0 {
                set_in_file(b, temp, len);
            } else {
                clear(body);
            }
        } else if (*b).last == (*b).pos {
            clear(body);
        }
    }
    // SAFETY: [request-alive]
    let length = unsafe { *length_of(r) };
    set_length(r, length)
}

/// The body of `r`, if it may have another: nginx has all of it, and will not touch it again.
///
/// Reference: it replaces a body that nginx is still reading, too, and nginx reads into what it was given.
fn replaceable(r: Request) -> Result<RequestBody> {
    // SAFETY: [request-alive]
    unsafe {
        if ngx_http_request_t::discard_body_raw(r.as_ptr()) != 0 {
            return Err(NotReplaced::Discarded);
        }
        let body = (*r.as_ptr()).request_body;
        if body.is_null() {
            return Err(NotReplaced::Unread);
        }
        // The rest of one that Lua reads from the client's socket is no matter of nginx's.
        let is_being_read = (*body).rest > 0 && (*body).post_handler.is_some();
        if is_being_read { Err(NotReplaced::Unread) } else { Ok(body) }
    }
}

/// The body of `r` and its buffer, if it is one that we may add to.
///
/// Reference: it adds to what nginx has read as well, if that lies in a buffer, and hands over garbage.
fn appendable(r: Request) -> Result<(RequestBody, *mut ngx_buf_t)> {
    // SAFETY: [request-alive]
    unsafe {
        let body = (*r.as_ptr()).request_body;
        if body.is_null() || (*body).bufs.is_null() {
            return Err(NotReplaced::NotInitialized);
        }
        let b = (*body).buf;
        if b.is_null() || (*b).tag != Tag::RequestBody.as_ptr() || (*(*body).bufs).buf != b {
            return Err(NotReplaced::NotInitialized);
        }
        Ok((body, b))
    }
}

fn length_of(r: Request) -> *mut sys::off_t {
    // SAFETY: [request-alive]
    unsafe { &raw mut (*r.as_ptr()).headers_in.content_length_n }
}

fn set_length(r: Request, len: sys::off_t) -> Result<()> {
    let mut text = [0; 20];
    let room = text.len();
    let mut rest = text.as_mut_slice();
    let _ = write!(rest, "{len}");
    let written = room - rest.len();
    let text = &text[..written];
    // SAFETY: [request-alive]; header elements live in the request's pool.
    unsafe {
        *length_of(r) = len;
        let header = (*r.as_ptr()).headers_in.content_length;
        // A subrequest shares its headers with the main request.
        if !header.is_null() && r.is_main() {
            (*header).value = r.pool().copy_with_nul(text).ok_or(NotReplaced::NoMemory)?;
            return Ok(());
        }
    }
    headers::set(r, b"Content-Length", text, Mode::Replace)
        .map_err(|_| NotReplaced::CannotSetLength)
}

fn open(path: &[u8]) -> Result<File> {
    let mut options = OpenOptions::new();
    // Not to hang on what is no plain file.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(OsStr::from_bytes(path)).map_err(|_| NotReplaced::CannotOpen)
}

// SAFETY (of the functions below): [request-alive]; `body` is the request's, and what it points to lies
// in the request's pool ([pool-outlives-request]).

unsafe fn clear(body: RequestBody) {
    // SAFETY: see above.
    unsafe {
        (*body).bufs = ptr::null_mut();
        (*body).buf = ptr::null_mut();
    }
}

/// An empty buffer of ours, which is the whole body; memory of an earlier one is given back.
unsafe fn own_buffer(r: Request, body: RequestBody) -> Result<*mut ngx_buf_t> {
    #[repr(C)]
    struct Piece {
        link: ngx_chain_t,
        buf: ngx_buf_t,
    }
    // SAFETY: see above; an all-zero buffer is nginx's own initial state.
    unsafe {
        let pool = r.pool().as_ptr();
        let mut link = (*body).bufs;
        clear(body);
        if link.is_null() || (*(*link).buf).tag != Tag::RequestBody.as_ptr() {
            let place = sys::ngx_palloc(pool, size_of::<Piece>()).cast::<Piece>();
            if place.is_null() {
                return Err(NotReplaced::NoMemory);
            }
            link = &raw mut (*place).link;
            (*link).buf = &raw mut (*place).buf;
        } else if (*(*link).buf).temporary() != 0 {
            sys::ngx_pfree(pool, (*(*link).buf).start.cast());
        }
        (*link).next = ptr::null_mut();
        let b = (*link).buf;
        b.write(core::mem::zeroed());
        (*b).tag = Tag::RequestBody.as_ptr();
        (*body).bufs = link;
        Ok(b)
    }
}

/// Gives an empty buffer `size` bytes of memory.
unsafe fn set_memory(b: *mut ngx_buf_t, memory: *mut u8, size: usize) {
    // SAFETY: see above.
    unsafe {
        (*b).set_temporary(1);
        (*b).start = memory;
        (*b).pos = memory;
        (*b).last = memory;
        (*b).end = memory.add(size);
    }
}

unsafe fn set_in_file(b: *mut ngx_buf_t, temp: *mut sys::ngx_temp_file_t, len: sys::off_t) {
    // SAFETY: see above.
    unsafe {
        (*b).set_in_file(1);
        (*b).file = &raw mut (*temp).file;
        (*b).file_last = len;
    }
}

/// Writes a buffer of memory to the body's file, which is made if there is none.
unsafe fn write(r: Request, body: RequestBody, b: *mut ngx_buf_t) -> Result<()> {
    // SAFETY: see above.
    unsafe {
        if (*body).temp_file.is_null() {
            (*body).temp_file = new_file(r)?;
        }
        let temp = (*body).temp_file;
        let mut chain = ngx_chain_t { buf: b, next: ptr::null_mut() };
        let written = sys::ngx_write_chain_to_temp_file(temp, &raw mut chain);
        if written < 0 {
            return Err(NotReplaced::CannotWrite);
        }
        (*temp).offset += written as sys::off_t;
    }
    Ok(())
}

/// A file for a body, as nginx makes them itself; it exists when something is written to it.
unsafe fn new_file(r: Request) -> Result<*mut sys::ngx_temp_file_t> {
    // SAFETY: see above; an all-zero `ngx_temp_file_t` is nginx's own initial state.
    unsafe {
        let (raw, pool) = (r.as_ptr(), r.pool().as_ptr());
        let temp = sys::ngx_pcalloc(pool, size_of::<sys::ngx_temp_file_t>());
        let temp = temp.cast::<sys::ngx_temp_file_t>();
        if temp.is_null() {
            return Err(NotReplaced::NoMemory);
        }
        let warning = c"a client request body is buffered to a temporary file";
        (*temp).file.fd = NO_FILE;
        (*temp).file.log = r.log().as_ptr();
        (*temp).path = (*r.core_loc_conf()).client_body_temp_path;
        (*temp).pool = pool;
        (*temp).warn = warning.as_ptr().cast_mut();
        (*temp).set_log_level(ngx_http_request_t::request_body_file_log_level_raw(raw));
        (*temp).set_persistent(1);
        (*temp).set_clean(1);
        if ngx_http_request_t::request_body_file_group_access_raw(raw) != 0 {
            (*temp).access = 0o660;
        }
        Ok(temp)
    }
}

/// Closes the body's file now, and deletes it if it was to be deleted with the request.
unsafe fn close_file(r: Request, body: RequestBody) {
    // SAFETY: see above; nginx notes the open files of a request as cleanups of its pool.
    unsafe {
        let temp = (*body).temp_file;
        (*body).temp_file = ptr::null_mut();
        if temp.is_null() || (*temp).file.fd == NO_FILE {
            return;
        }
        let mut cleanup = (*r.pool().as_ptr()).cleanup;
        while !cleanup.is_null() {
            if (*cleanup).handler.is_some_and(is_file_cleanup) {
                let close = (*cleanup).data.cast::<sys::ngx_pool_cleanup_file_t>();
                if (*close).fd == (*temp).file.fd {
                    run(cleanup);
                    break;
                }
            }
            cleanup = (*cleanup).next;
        }
        (*temp).file.fd = NO_FILE;
    }
}

fn is_file_cleanup(handler: unsafe extern "C" fn(*mut core::ffi::c_void)) -> bool {
    type Cleanup = unsafe extern "C" fn(*mut core::ffi::c_void);
    ptr::fn_addr_eq(handler, sys::ngx_pool_cleanup_file as Cleanup)
        || ptr::fn_addr_eq(handler, sys::ngx_pool_delete_file as Cleanup)
}

/// Runs a cleanup now instead of at the pool's end.
unsafe fn run(cleanup: *mut sys::ngx_pool_cleanup_t) {
    // SAFETY: see above.
    unsafe {
        if let Some(handler) = (*cleanup).handler.take() {
            handler((*cleanup).data);
        }
    }
}
