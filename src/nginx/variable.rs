//! nginx variables by name.
#![allow(unsafe_code)]
use super::Request;
use super::sys::{self, ngx_http_variable_value_t};

/// Why a variable was not set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SetError {
    NotChangeable,
    NotFound,
    NotAssignable,
    NoMemory,
}

/// The value of a variable; `None` if there is no such variable or it has no value now.
///
/// # Safety
/// `lowercase` has room for `name`, and outlives the value of a variable that is computed from it.
pub(crate) unsafe fn get(r: Request, name: &[u8], lowercase: *mut u8) -> Option<&'static [u8]> {
    // SAFETY: [request-alive] and the caller's contract.
    unsafe {
        let hash = sys::ngx_hash_strlow(lowercase, name.as_ptr().cast_mut(), name.len());
        let mut name = sys::ngx_str_t { len: name.len(), data: lowercase };
        let value = sys::ngx_http_get_variable(r.as_ptr(), &raw mut name, hash).as_ref()?;
        (value.not_found() == 0).then(|| text(value))
    }
}

/// Makes nginx compute the value of a built-in variable anew; `name` is in lower case.
pub(crate) fn forget(r: Request, name: &[u8]) {
    // SAFETY: [request-alive]; `variables` holds a value for each indexed variable.
    unsafe {
        let hash = sys::ngx_hash_key(name.as_ptr().cast_mut(), name.len());
        let variables = &raw mut (*r.core_main_conf()).variables_hash;
        let found = sys::ngx_hash_find(variables, hash, name.as_ptr().cast_mut(), name.len());
        let Some(variable) = found.cast::<sys::ngx_http_variable_t>().as_ref() else { return };
        if variable.flags & sys::NGX_HTTP_VAR_INDEXED as usize != 0 {
            let value = (*r.as_ptr()).variables.add(variable.index);
            (*value).set_valid(0);
            (*value).set_not_found(0);
        }
    }
}

/// The text of capture group `n` (from 1) of the last regular expression nginx matched.
pub(crate) fn capture(r: Request, n: usize) -> Option<&'static [u8]> {
    // SAFETY: [request-alive]; `captures` holds `ncaptures` offsets into `captures_data`.
    unsafe {
        let r = r.as_ptr();
        let i = n.checked_mul(2)?;
        if n == 0 || (*r).captures.is_null() || (*r).captures_data.is_null() || i >= (*r).ncaptures
        {
            return None;
        }
        let (start, end) = (*(*r).captures.add(i), *(*r).captures.add(i + 1));
        let len = usize::try_from(end - start).ok()?;
        let start = usize::try_from(start).ok()?;
        Some(core::slice::from_raw_parts((*r).captures_data.add(start), len))
    }
}

/// Sets a variable, or with `None` takes its value away.
///
/// # Safety
/// `lowercase` has room for `name`.
pub(crate) unsafe fn set(
    r: Request,
    name: &[u8],
    lowercase: *mut u8,
    value: Option<&[u8]>,
) -> Result<(), SetError> {
    // SAFETY: [request-alive] and the caller's contract; values are copied into the request's pool.
    unsafe {
        let hash = sys::ngx_hash_strlow(lowercase, name.as_ptr().cast_mut(), name.len());
        let variables = &raw mut (*r.core_main_conf()).variables_hash;
        let found = sys::ngx_hash_find(variables, hash, lowercase, name.len());
        let Some(variable) = found.cast::<sys::ngx_http_variable_t>().as_ref() else {
            return Err(SetError::NotFound);
        };
        if variable.flags & sys::NGX_HTTP_VAR_CHANGEABLE as usize == 0 {
            return Err(SetError::NotChangeable);
        }
        let value = value_of(r, value).ok_or(SetError::NoMemory)?;
        if let Some(handler) = variable.set_handler {
            let place = sys::ngx_palloc(r.pool().as_ptr(), size_of_val(&value))
                .cast::<ngx_http_variable_value_t>();
            if place.is_null() {
                return Err(SetError::NoMemory);
            }
            place.write(value);
            handler(r.as_ptr(), place, variable.data);
            return Ok(());
        }
        if variable.flags & sys::NGX_HTTP_VAR_INDEXED as usize != 0 {
            *(*r.as_ptr()).variables.add(variable.index) = value;
            return Ok(());
        }
        Err(SetError::NotAssignable)
    }
}

fn value_of(r: Request, value: Option<&[u8]>) -> Option<ngx_http_variable_value_t> {
    // SAFETY: all-zero is a valid value of this struct.
    let mut v: ngx_http_variable_value_t = unsafe { core::mem::zeroed() };
    match value {
        None => v.set_not_found(1),
        Some(data) => {
            let copy = r.pool().copy(data)?;
            // SAFETY: a value of our own.
            unsafe { set_text(&raw mut v, copy)? };
        }
    }
    Some(v)
}

/// The longest text that a variable's value holds.
const MAX_LEN: usize = (1 << 28) - 1;

/// The bit of `valid`, behind `len:28`; `no_cacheable`, `not_found` and `escape` follow it.
const VALID: u32 = 1 << 28;

// The generated accessors walk `len` bit by bit; it and the flags are the u32 that the struct begins with.

/// The text of a value.
///
/// # Safety
/// `value` has been computed, and its text lives as long as it is used.
pub(super) unsafe fn text(value: *const ngx_http_variable_value_t) -> &'static [u8] {
    // SAFETY: the caller's contract; see above.
    unsafe {
        let len = value.cast::<u32>().read() as usize & MAX_LEN;
        sys::str_bytes(sys::ngx_str_t { len, data: (*value).data })
    }
}

/// Makes `text` the value; `None` if it is too long for one.
///
/// # Safety
/// `value` is valid for writes.
pub(super) unsafe fn set_text(
    value: *mut ngx_http_variable_value_t,
    text: sys::ngx_str_t,
) -> Option<()> {
    let len = u32::try_from(text.len).ok().filter(|len| *len as usize <= MAX_LEN)?;
    // SAFETY: the caller's contract; see above.
    unsafe {
        value.cast::<u32>().write(len | VALID);
        (*value).data = text.data;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_generated_accessors_see() {
        // SAFETY: a value of our own, and static text.
        unsafe {
            let mut v: ngx_http_variable_value_t = core::mem::zeroed();
            v.set_not_found(1);
            v.set_len(7);
            set_text(&raw mut v, sys::str_of(b"text")).unwrap();
            assert_eq!((v.len(), v.valid(), v.not_found(), v.no_cacheable()), (4, 1, 0, 0));
            assert_eq!(text(&raw const v), b"text");
            let long = sys::ngx_str_t { len: MAX_LEN + 1, data: v.data };
            assert_eq!(set_text(&raw mut v, long), None);
        }
    }
}
