//! Socket addresses: what a host name in a configuration or a call stands for, if it is none to look up.
//!
//! Not the resolver: nothing here waits. The bytes are always one of the three families' structs, and
//! `len` its length.
#![allow(unsafe_code)]
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::log::Text;
use super::sys::{self, ngx_sockaddr_t, sockaddr, socklen_t};

/// A socket address: IPv4, IPv6, or the path of a unix socket.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    raw: ngx_sockaddr_t,
    len: socklen_t,
}

/// What a host's text is.
pub(crate) enum Host {
    Address(Address),
    /// A name to be resolved.
    Name,
}

const V4: u16 = libc::AF_INET as u16;
const V6: u16 = libc::AF_INET6 as u16;
const UNIX: u16 = libc::AF_UNIX as u16;
/// Where a unix socket's path begins.
const PATH_AT: usize = core::mem::offset_of!(sys::sockaddr_un, sun_path);

impl Address {
    /// An IPv4 or IPv6 address (brackets around it are allowed), or `unix:path`.
    pub(crate) fn parse(host: &[u8], port: u16) -> Option<Self> {
        if let Some(path) = unix_path(host) {
            return Self::unix(path);
        }
        if let Some(v4) = ipv4(host) {
            return Some(Self::v4(v4, port));
        }
        let bare = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host);
        Some(Self::v6(ipv6(bare)?, port))
    }

    /// The unix socket at `path`; `None` if the system has no room for that.
    pub(crate) fn unix(path: &[u8]) -> Option<Self> {
        let mut address = Self::zeroed(size_of::<sys::sockaddr_un>());
        // SAFETY: all families are plain integers, and zeroed.
        let un = unsafe { &mut address.raw.sockaddr_un };
        un.sun_family = UNIX;
        // The system wants a NUL behind the path.
        if path.is_empty() || path.len() >= un.sun_path.len() {
            return None;
        }
        for (to, from) in un.sun_path.iter_mut().zip(path) {
            *to = from.cast_signed();
        }
        Some(address)
    }

    fn v4(ip: Ipv4Addr, port: u16) -> Self {
        let mut address = Self::zeroed(size_of::<sys::sockaddr_in>());
        // SAFETY: as above.
        let v4 = unsafe { &mut address.raw.sockaddr_in };
        v4.sin_family = V4;
        v4.sin_addr.s_addr = u32::from(ip).to_be();
        address.with_port(port)
    }

    fn v6(ip: Ipv6Addr, port: u16) -> Self {
        let mut address = Self::zeroed(size_of::<sys::sockaddr_in6>());
        // SAFETY: as above.
        let v6 = unsafe { &mut address.raw.sockaddr_in6 };
        v6.sin6_family = V6;
        v6.sin6_addr.__in6_u.__u6_addr8 = ip.octets();
        address.with_port(port)
    }

    /// A copy of what nginx or the system has.
    ///
    /// # Safety
    /// `raw` is null or an address of `len` bytes.
    pub(crate) unsafe fn from_raw(raw: *const sockaddr, len: socklen_t) -> Option<Self> {
        let size = len as usize;
        if raw.is_null() || size < PATH_AT || size > size_of::<ngx_sockaddr_t>() {
            return None;
        }
        let mut address = Self::zeroed(size);
        // SAFETY: the caller's contract; there is room.
        unsafe { (&raw mut address.raw).cast::<u8>().copy_from_nonoverlapping(raw.cast(), size) };
        Some(address)
    }

    fn zeroed(len: usize) -> Self {
        // SAFETY: plain integers.
        Self { raw: unsafe { core::mem::zeroed() }, len: len as socklen_t }
    }

    /// The same host with another port; a unix socket has none.
    #[must_use]
    pub(crate) fn with_port(mut self, port: u16) -> Self {
        match self.family() {
            V4 => self.raw.sockaddr_in.sin_port = port.to_be(),
            V6 => self.raw.sockaddr_in6.sin6_port = port.to_be(),
            _ => {}
        }
        self
    }

    pub(crate) fn as_sockaddr(&self) -> (*const sockaddr, socklen_t) {
        ((&raw const self.raw).cast(), self.len)
    }

    pub(crate) fn family(&self) -> u16 {
        // SAFETY: every family's struct begins with it.
        unsafe { self.raw.sockaddr.sa_family }
    }

    pub(crate) fn is_unix(&self) -> bool {
        self.family() == UNIX
    }

    /// `ip:port`, `[ip]:port` or `unix:path`, as nginx writes it.
    pub(crate) fn text(&self) -> String {
        self.to_string()
    }

    /// The host without the port.
    pub(crate) fn host(&self) -> String {
        match self.ip() {
            Some(core::net::IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(ip) => ip.to_string(),
            None => self.to_string(),
        }
    }

    fn ip(&self) -> Option<core::net::IpAddr> {
        // SAFETY: the family says which struct it is.
        unsafe {
            match self.family() {
                V4 => {
                    Some(Ipv4Addr::from(u32::from_be(self.raw.sockaddr_in.sin_addr.s_addr)).into())
                }
                V6 => {
                    let octets = self.raw.sockaddr_in6.sin6_addr.__in6_u.__u6_addr8;
                    Some(Ipv6Addr::from(octets).into())
                }
                _ => None,
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        // SAFETY: as above.
        unsafe {
            match self.family() {
                V4 => u16::from_be(self.raw.sockaddr_in.sin_port),
                V6 => u16::from_be(self.raw.sockaddr_in6.sin6_port),
                _ => 0,
            }
        }
    }

    fn path(&self) -> &[u8] {
        // SAFETY: as above; the bytes are initialised, and a path ends at the first NUL.
        let path = unsafe { &self.raw.sockaddr_un.sun_path };
        let len = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
        // SAFETY: `c_char` is a byte.
        unsafe { core::slice::from_raw_parts(path.as_ptr().cast(), len) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(core::net::IpAddr::V4(ip)) => SocketAddrV4::new(ip, self.port()).fmt(f),
            Some(core::net::IpAddr::V6(ip)) => SocketAddrV6::new(ip, self.port(), 0, 0).fmt(f),
            None => write!(f, "unix:{}", Text(self.path())),
        }
    }
}

impl Host {
    /// Reads `host` as nginx reads the host of a URL: an address in text may have a port of its own. The
    /// error is nginx's.
    pub(crate) fn read(host: &[u8], port: u16) -> Result<Self, &'static str> {
        if let Some(path) = unix_path(host) {
            if path.is_empty() {
                return Err("no path in the unix domain socket");
            }
            let address = Address::unix(path).ok_or("too long path in the unix domain socket")?;
            return Ok(Self::Address(address));
        }
        match host.strip_prefix(b"[") {
            Some(rest) => Self::bracketed(rest, port),
            None => Self::plain(host, port),
        }
    }

    /// What follows an opening bracket.
    fn bracketed(rest: &[u8], port: u16) -> Result<Self, &'static str> {
        const INVALID: &str = "invalid host";
        let end = rest.iter().position(|byte| *byte == b']').ok_or(INVALID)?;
        let (ip, tail) = (&rest[..end], &rest[end + 1..]);
        if tail.iter().any(|byte| matches!(byte, b'/' | b'?')) {
            return Err(INVALID);
        }
        let port = match tail {
            [] => port,
            [b':', number @ ..] => port_number(number)?,
            _ => return Err(INVALID),
        };
        if ip.is_empty() {
            return Err("no host");
        }
        let ip = ipv6(ip).ok_or("invalid IPv6 address")?;
        Ok(Self::Address(Address::v6(ip, port)))
    }

    fn plain(host: &[u8], port: u16) -> Result<Self, &'static str> {
        if host.iter().any(|byte| matches!(byte, b'/' | b'?')) {
            return Err("invalid host");
        }
        let mut parts = host.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or(host);
        let port = parts.next().map_or(Ok(port), port_number)?;
        if name.is_empty() {
            return Err("no host");
        }
        Ok(ipv4(name).map_or(Self::Name, |ip| Self::Address(Address::v4(ip, port))))
    }
}

fn unix_path(host: &[u8]) -> Option<&[u8]> {
    let (scheme, path) = host.split_at_checked(5)?;
    scheme.eq_ignore_ascii_case(b"unix:").then_some(path)
}

fn port_number(text: &[u8]) -> Result<u16, &'static str> {
    let text = core::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let number = text.and_then(|text| text.parse().ok()).filter(|number| *number != 0);
    number.ok_or("invalid port")
}

/// Four numbers with dots between them, leading zeros or not, as nginx reads them.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                octets[at] = octets[at].checked_mul(10)?.checked_add(byte - b'0')?;
            }
            b'.' if at < 3 => at += 1,
            _ => return None,
        }
    }
    // nginx's mark of what is no address.
    (at == 3 && octets != [255; 4]).then(|| Ipv4Addr::from(octets))
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str) -> String {
        match Host::read(host.as_bytes(), 80) {
            Ok(Host::Address(address)) => address.text(),
            Ok(Host::Name) => "name".into(),
            Err(error) => error.into(),
        }
    }

    #[test]
    fn hosts_are_read_as_nginx_reads_them() {
        for (host, expected) in [
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:81", "127.0.0.1:81"),
            ("010.0.0.1", "10.0.0.1:80"),
            ("1.2.3", "name"),
            ("256.1.1.1", "name"),
            ("localhost", "name"),
            ("localhost:81", "name"),
            ("localhost:0", "invalid port"),
            ("localhost:x", "invalid port"),
            ("localhost:65536", "invalid port"),
            ("::1", "invalid port"),
            ("", "no host"),
            (":80", "no host"),
            ("a/b", "invalid host"),
            ("a?b", "invalid host"),
            ("[::1]", "[::1]:80"),
            ("[::1]:81", "[::1]:81"),
            ("[::1", "invalid host"),
            ("[::1]x", "invalid host"),
            ("[]", "no host"),
            ("[zz]", "invalid IPv6 address"),
            ("unix:/tmp/s", "unix:/tmp/s"),
            ("unix:", "no path in the unix domain socket"),
        ] {
            assert_eq!(read(host), expected, "{host}");
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert_eq!(read(&long), "too long path in the unix domain socket");
    }

    #[test]
    fn addresses_are_what_the_system_takes() {
        let parsed = |host: &str| Address::parse(host.as_bytes(), 53);
        let address = parsed("::1").unwrap();
        assert_eq!(address.text(), "[::1]:53");
        assert_eq!(address.host(), "[::1]");
        assert_eq!(address.as_sockaddr().1 as usize, size_of::<sys::sockaddr_in6>());
        assert_eq!(address.with_port(8053).text(), "[::1]:8053");
        assert_eq!(parsed("[::1]").unwrap().text(), "[::1]:53");
        let address = parsed("192.0.2.1").unwrap();
        assert_eq!(address.host(), "192.0.2.1");
        let (raw, len) = address.as_sockaddr();
        // SAFETY: it is what `as_sockaddr` says.
        let copy = unsafe { Address::from_raw(raw, len) };
        assert_eq!(copy.unwrap().text(), "192.0.2.1:53");
        assert!(parsed("unix:a").unwrap().is_unix());
        assert!(parsed("example.org").is_none());
    }
}
