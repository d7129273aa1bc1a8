//! nginx's cached time.
#![allow(unsafe_code)]
use super::sys;

/// Seconds since the epoch, with milliseconds, as of the last time nginx looked at the clock.
pub(crate) fn now() -> f64 {
    let time = sys::ngx_timeofday();
    time.sec as f64 + time.msec as f64 / 1000.0
}

/// Milliseconds since the epoch.
#[inline]
pub(crate) fn now_msec() -> u64 {
    let time = sys::ngx_timeofday();
    (time.sec as u64).wrapping_mul(1000).wrapping_add(time.msec as u64)
}

pub(crate) fn seconds() -> i64 {
    sys::ngx_time()
}

pub(crate) fn monotonic_msec() -> usize {
    // SAFETY: [single-thread]
    unsafe { sys::ngx_current_msec }
}

/// Makes nginx look at the clock.
pub(crate) fn update() {
    // SAFETY: [single-thread]
    unsafe { sys::ngx_time_update() }
}

/// A broken-down time: year, month (1–12), day, hour, minute, second.
pub(crate) struct Date {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

impl Date {
    pub(crate) fn utc() -> Self {
        Self::at(seconds())
    }

    /// In the time zone of the server.
    pub(crate) fn local() -> Self {
        Self::at(seconds() + sys::ngx_timeofday().gmtoff as i64 * 60)
    }

    fn at(seconds: i64) -> Self {
        // SAFETY: plain data, filled by nginx.
        let tm = unsafe {
            let mut tm: sys::ngx_tm_t = core::mem::zeroed();
            sys::ngx_gmtime(seconds, &raw mut tm);
            tm
        };
        Self {
            year: tm.tm_year,
            month: tm.tm_mon,
            day: tm.tm_mday,
            hour: tm.tm_hour,
            minute: tm.tm_min,
            second: tm.tm_sec,
        }
    }

    /// `2026-11-23`
    pub(crate) fn day_text(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `2026-11-23 09:30:00`
    pub(crate) fn text(&self) -> String {
        format!("{} {:02}:{:02}:{:02}", self.day_text(), self.hour, self.minute, self.second)
    }
}

/// Writes `Mon, 28 Sep 1970 06:00:00 GMT` to `buf` and returns its length (at most 29).
///
/// # Safety
/// `buf` has room for 29 bytes.
pub(crate) unsafe fn http_time(buf: *mut u8, time: i64) -> usize {
    // SAFETY: the caller's contract.
    unsafe { sys::ngx_http_time(buf, time).offset_from_unsigned(buf) }
}

/// Writes `Thu, 18-Nov-10 11:27:35 GMT` to `buf` and returns its length (at most 30).
///
/// # Safety
/// `buf` has room for 30 bytes.
pub(crate) unsafe fn cookie_time(buf: *mut u8, time: i64) -> usize {
    // SAFETY: the caller's contract.
    unsafe { sys::ngx_http_cookie_time(buf, time).offset_from_unsigned(buf) }
}

/// Seconds since the epoch of an HTTP date; `None` if it is none.
pub(crate) fn parse_http_time(text: &[u8]) -> Option<i64> {
    // SAFETY: nginx reads `len` bytes.
    let time = unsafe { sys::ngx_parse_http_time(text.as_ptr().cast_mut(), text.len()) };
    (time != sys::ERROR as i64).then_some(time)
}
