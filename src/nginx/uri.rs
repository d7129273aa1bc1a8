//! Where a request goes: its URI and arguments, and going elsewhere inside the server.
#![allow(unsafe_code)]
use std::fmt::Write as _;

use super::Request;
use super::sys::{self, ngx_http_request_t};

/// A URI inside the server, with its arguments; both lie in the request's pool.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) uri: &'static [u8],
    /// `None`: it has none, not even empty ones; nginx's variables tell the two apart.
    pub(crate) args: Option<&'static [u8]>,
}

// SAFETY (every block of this impl): [request-alive]; strings that the request keeps lie in its pool.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Request {
    /// Takes a URI apart as nginx does with those of its own modules; `None` (and a line in the log) if
    /// it points out of the server's files. One that is empty when it has been decoded (`%`) is none
    /// either: modules of nginx read its last byte.
    pub(crate) fn target(self, uri: &[u8]) -> Option<Target> {
        let mut uri = self.pool().copy(uri)?;
        let mut args = sys::NO_STR;
        let mut flags = sys::NGX_HTTP_LOG_UNSAFE as usize;
        unsafe {
            let (r, flags) = (self.as_ptr(), &raw mut flags);
            if sys::ngx_http_parse_unsafe_uri(r, &raw mut uri, &raw mut args, flags) != sys::OK {
                return None;
            }
            if uri.len == 0 {
                return None;
            }
            let args = (!args.data.is_null()).then(|| sys::str_bytes(args));
            Some(Target { uri: sys::str_bytes(uri), args })
        }
    }

    /// Gives the request another URI in the location where it is; `None` when there is no memory.
    pub(crate) fn set_uri(self, uri: &[u8]) -> Option<()> {
        self.store_uri(uri)?;
        unsafe {
            ngx_http_request_t::set_valid_location_raw(self.as_ptr(), 0);
            ngx_http_request_t::set_uri_changed_raw(self.as_ptr(), 0);
        }
        Some(())
    }

    /// Gives the request another URI, for which nginx looks for a location when the phase ends.
    pub(crate) fn change_uri(self, uri: &[u8]) -> Option<()> {
        self.store_uri(uri)?;
        unsafe { ngx_http_request_t::set_uri_changed_raw(self.as_ptr(), 1) };
        Some(())
    }

    fn store_uri(self, uri: &[u8]) -> Option<()> {
        let uri = self.pool().copy(uri)?;
        unsafe {
            let r = self.as_ptr();
            (*r).uri = uri;
            ngx_http_request_t::set_internal_raw(r, 1);
            ngx_http_request_t::set_valid_unparsed_uri_raw(r, 0);
            sys::ngx_http_set_exten(r);
        }
        Some(())
    }

    /// Gives the request other arguments; `None` when there is no memory.
    pub(crate) fn set_args(self, args: &[u8]) -> Option<()> {
        let args = self.pool().copy(args)?;
        unsafe {
            (*self.as_ptr()).args = args;
            ngx_http_request_t::set_valid_unparsed_uri_raw(self.as_ptr(), 0);
        }
        Some(())
    }

    /// Starts the request again at `target`, a named location if it begins with `@`, and takes one more
    /// hold of it. The request may have ended by then, for all but that hold.
    pub(crate) fn redirect(self, target: Target) -> isize {
        let mut uri = sys::str_of(target.uri);
        let mut args = target.args.map_or(sys::NO_STR, sys::str_of);
        unsafe {
            let r = self.as_ptr();
            (*r).write_event_handler = Some(sys::ngx_http_request_empty_handler);
            if target.is_named() {
                // nginx clears them after it has found the location.
                core::ptr::write_bytes((*r).ctx, 0, sys::ngx_http_max_module);
                return sys::ngx_http_named_location(r, &raw mut uri);
            }
            sys::ngx_http_internal_redirect(r, &raw mut uri, &raw mut args)
        }
    }
}

impl Target {
    /// The arguments as text.
    pub(crate) fn query(self) -> &'static [u8] {
        self.args.unwrap_or_default()
    }

    /// Whether it is a named location, which takes no arguments.
    pub(crate) fn is_named(self) -> bool {
        self.uri.first() == Some(&b'@')
    }
}

/// The first byte of `uri` that may stand in none: a control byte other than a tab.
pub(crate) fn unsafe_byte(uri: &[u8]) -> Option<u8> {
    uri.iter().copied().find(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Text for an error message: what is not printable, quotes and backslashes as `\xXX`.
pub(crate) fn printable(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for &byte in text {
        if (b' '..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\') {
            shown.push(char::from(byte));
        } else {
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_bytes() {
        assert_eq!(unsafe_byte(b"/a b\t\xff\""), None);
        assert_eq!(unsafe_byte(b"/a\r\n"), Some(b'\r'));
        assert_eq!(unsafe_byte(b"/\x7f"), Some(0x7f));
        assert_eq!(unsafe_byte(b"\0"), Some(0));
    }

    #[test]
    fn printable_text() {
        assert_eq!(printable(b"/a b\t\"\\\xe9~"), "/a b\\x09\\x22\\x5C\\xE9~");
    }
}
