//! The method of a request.
#![allow(unsafe_code)]
use super::Request;
use super::sys;

/// A method that nginx knows: its number (a bit), and its name. Older modules of nginx count on a
/// space behind a name.
#[derive(Debug)]
pub(crate) struct Method {
    number: u32,
    name_and_space: &'static [u8],
}

const METHODS: &[Method] = &[
    Method { number: sys::NGX_HTTP_GET, name_and_space: b"GET " },
    Method { number: sys::NGX_HTTP_HEAD, name_and_space: b"HEAD " },
    Method { number: sys::NGX_HTTP_POST, name_and_space: b"POST " },
    Method { number: sys::NGX_HTTP_PUT, name_and_space: b"PUT " },
    Method { number: sys::NGX_HTTP_DELETE, name_and_space: b"DELETE " },
    Method { number: sys::NGX_HTTP_MKCOL, name_and_space: b"MKCOL " },
    Method { number: sys::NGX_HTTP_COPY, name_and_space: b"COPY " },
    Method { number: sys::NGX_HTTP_MOVE, name_and_space: b"MOVE " },
    Method { number: sys::NGX_HTTP_OPTIONS, name_and_space: b"OPTIONS " },
    Method { number: sys::NGX_HTTP_PROPFIND, name_and_space: b"PROPFIND " },
    Method { number: sys::NGX_HTTP_PROPPATCH, name_and_space: b"PROPPATCH " },
    Method { number: sys::NGX_HTTP_LOCK, name_and_space: b"LOCK " },
    Method { number: sys::NGX_HTTP_UNLOCK, name_and_space: b"UNLOCK " },
    Method { number: sys::NGX_HTTP_PATCH, name_and_space: b"PATCH " },
    Method { number: sys::NGX_HTTP_TRACE, name_and_space: b"TRACE " },
];

impl Method {
    pub(crate) fn from_number(number: core::ffi::c_int) -> Option<&'static Self> {
        let number = u32::try_from(number).ok()?;
        METHODS.iter().find(|method| method.number == number)
    }
}

// SAFETY (every block of this impl): [request-alive]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Request {
    /// nginx's number of the method.
    pub(crate) fn method(self) -> usize {
        unsafe { (*self.as_ptr()).method }
    }

    pub(crate) fn method_name(self) -> &'static [u8] {
        unsafe { sys::str_bytes((*self.as_ptr()).method_name) }
    }

    pub(crate) fn set_method(self, method: &'static Method) {
        let (_space, name) = method.name_and_space.split_last().unwrap_or((&b' ', b""));
        unsafe {
            (*self.as_ptr()).method = method.number as usize;
            (*self.as_ptr()).method_name = sys::str_of(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_by_number() {
        assert_eq!(Method::from_number(2).unwrap().name_and_space, b"GET ");
        assert_eq!(Method::from_number(0x8000).unwrap().name_and_space, b"TRACE ");
        for number in [-2, 0, 1, 3, 0x10000] {
            assert!(Method::from_number(number).is_none(), "{number}");
        }
        assert!(METHODS.iter().all(|method| method.name_and_space.ends_with(b" ")));
    }
}
