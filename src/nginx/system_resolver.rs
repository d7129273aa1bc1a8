//! What the system knows of host names: /etc/hosts, and the name servers and domains of /etc/resolv.conf.
//!
//! It is read as the C library reads it, so that a name means here what it means to `curl`. Questions are asked by
//! nginx's resolver, which never blocks; only the file of hosts is read at each question.
#![allow(unsafe_code)]
use core::ptr::NonNull;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::address::Address;
use super::config::Config;
use super::sys;

/// The files of one configuration.
pub(crate) struct SystemResolver {
    resolver: NonNull<sys::ngx_resolver_t>,
    hosts: PathBuf,
    /// Domains that names without dots are looked for in.
    search: Vec<Box<[u8]>>,
    /// So many dots make a name that is first asked for as it is.
    dots: usize,
}

/// Where the system keeps them.
#[derive(Clone, Copy)]
pub(crate) struct Paths<'a> {
    pub(crate) hosts: &'a [u8],
    pub(crate) resolv_conf: &'a [u8],
}

impl Default for Paths<'_> {
    fn default() -> Self {
        Self { hosts: b"/etc/hosts", resolv_conf: b"/etc/resolv.conf" }
    }
}

impl SystemResolver {
    /// Reads the configuration's files; `None` if nginx refuses, which it has logged.
    pub(crate) fn create(cf: Config, paths: Paths<'_>) -> Option<Self> {
        let text = std::fs::read(OsStr::from_bytes(paths.resolv_conf)).unwrap_or_default();
        let read = ResolvConf::read(&text);
        let mut names: Vec<_> = read.servers.iter().map(|s| sys::str_of(s.as_bytes())).collect();
        // SAFETY: [conf-callback]; nginx copies the names.
        let resolver =
            unsafe { sys::ngx_resolver_create(cf.as_ptr(), names.as_mut_ptr(), names.len()) };
        let hosts = OsStr::from_bytes(paths.hosts).into();
        Some(Self {
            resolver: NonNull::new(resolver)?,
            hosts,
            search: read.search,
            dots: read.dots,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::ngx_resolver_t {
        self.resolver.as_ptr()
    }

    /// What the file of hosts says of `name`.
    pub(crate) fn in_hosts(&self, name: &[u8], port: u16) -> Vec<Address> {
        let text = std::fs::read(&self.hosts).unwrap_or_default();
        hosts(&text, name, port)
    }

    /// The names to ask for, the last first.
    pub(crate) fn candidates(&self, name: &[u8]) -> Vec<Box<[u8]>> {
        candidates(name, &self.search, self.dots)
    }
}

/// IPv4 where there is any: not every host that has an IPv6 address can use it.
pub(crate) fn preferred(addresses: Vec<Address>) -> Vec<Address> {
    let is_v4 = |address: &Address| address.family() == libc::AF_INET as u16;
    if addresses.iter().any(is_v4) {
        return addresses.into_iter().filter(is_v4).collect();
    }
    addresses
}

fn candidates(name: &[u8], search: &[Box<[u8]>], dots: usize) -> Vec<Box<[u8]>> {
    let mut names: Vec<Box<[u8]>> = Vec::new();
    if !name.ends_with(b".") {
        let within = |domain: &[u8]| [name, b".", domain].concat().into();
        names = search.iter().rev().map(|domain| within(domain)).collect();
    }
    let is_full = name.iter().filter(|byte| **byte == b'.').count() >= dots;
    let place = if is_full { names.len() } else { 0 };
    names.insert(place, name.into());
    names
}

/// The addresses of `name` in the text of a file of hosts.
fn hosts(text: &[u8], name: &[u8], port: u16) -> Vec<Address> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let mut found = Vec::new();
    for line in lines(text, b"#") {
        let mut words = words(line);
        let Some(ip) = words.next() else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) {
            found.extend(Address::parse(ip, port).filter(|address| !address.is_unix()));
        }
    }
    if found.is_empty() && is_localhost(name) {
        found.extend(Address::parse(b"127.0.0.1", port));
    }
    preferred(found)
}

/// A name that is always this host.
fn is_localhost(name: &[u8]) -> bool {
    let label = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
    label.eq_ignore_ascii_case(b"localhost")
}

struct ResolvConf {
    /// As nginx's `resolver` directive writes them.
    servers: Vec<String>,
    search: Vec<Box<[u8]>>,
    dots: usize,
}

impl ResolvConf {
    fn read(text: &[u8]) -> Self {
        let mut conf = Self { servers: Vec::new(), search: Vec::new(), dots: 1 };
        for line in lines(text, b"#;") {
            let mut words = words(line);
            match words.next() {
                Some(b"nameserver") => conf.servers.extend(words.next().and_then(server)),
                Some(b"search" | b"domain") => conf.search = words.map(Into::into).collect(),
                Some(b"options") => conf.dots = words.filter_map(ndots).last().unwrap_or(conf.dots),
                _ => {}
            }
        }
        // As many as the C library heeds.
        conf.servers.truncate(3);
        if conf.servers.is_empty() {
            conf.servers.push("127.0.0.1".into());
        }
        conf
    }
}

fn ndots(word: &[u8]) -> Option<usize> {
    let number = core::str::from_utf8(word.strip_prefix(b"ndots:")?).ok()?;
    number.parse().ok().map(|n: usize| n.min(15))
}

/// A name server's address; `[ip]:port` is one as well, as on OpenBSD.
fn server(word: &[u8]) -> Option<String> {
    if let Some(address) = Address::parse(word, 53) {
        return (!address.is_unix()).then(|| address.text());
    }
    let text = core::str::from_utf8(word).ok()?;
    let (ip, port) = text.strip_prefix('[')?.split_once("]:")?;
    Address::parse(ip.as_bytes(), port.parse().ok()?).map(|address| address.text())
}

/// The lines of a file, without what follows one of `marks`.
fn lines<'a>(text: &'a [u8], marks: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.map(|line| line.split(|byte| marks.contains(byte)).next().unwrap_or(line))
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: Vec<Address>) -> String {
        addresses.iter().map(Address::text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hosts_are_found_by_any_of_their_names() {
        let text = b"# comment 1\n127.0.0.1\tlocalhost\n::1 localhost\n192.0.2.7  db.test db # x\n\
                     192.0.2.8 DB\nfe80::1%lo bad\n2001:db8::1 six\n";
        for (name, expected) in [
            ("localhost", "127.0.0.1:80"),
            ("db", "192.0.2.7:80 192.0.2.8:80"),
            ("db.test.", "192.0.2.7:80"),
            ("six", "[2001:db8::1]:80"),
            ("bad", ""),
            ("x", ""),
            ("any.localhost", "127.0.0.1:80"),
        ] {
            assert_eq!(texts(hosts(text, name.as_bytes(), 80)), expected, "{name}");
        }
        assert_eq!(texts(hosts(b"", b"localhost", 1)), "127.0.0.1:1");
    }

    #[test]
    fn resolv_conf_is_read_as_the_c_library_reads_it() {
        let conf = ResolvConf::read(
            b"; comment\nnameserver 192.0.2.53 # first\nnameserver ::1\nnameserver [127.0.0.1]:5353\n\
              nameserver 192.0.2.54\nnameserver nonsense\ndomain a\nsearch b.test c.test\n\
              options timeout:1 ndots:2\n",
        );
        assert_eq!(conf.servers, ["192.0.2.53:53", "[::1]:53", "127.0.0.1:5353"]);
        let search: Vec<&[u8]> = conf.search.iter().map(AsRef::as_ref).collect();
        assert_eq!(search, [b"b.test", b"c.test"]);
        assert_eq!(conf.dots, 2);
        let conf = ResolvConf::read(b"");
        assert_eq!((conf.servers.len(), conf.dots), (1, 1));
    }

    #[test]
    fn names_are_looked_for_in_the_domains_of_the_system() {
        let search: Vec<Box<[u8]>> = vec![b"b".as_slice().into(), b"c".as_slice().into()];
        let asked = |name: &str| {
            let mut names = candidates(name.as_bytes(), &search, 1);
            names.reverse();
            names.iter().map(|n| String::from_utf8_lossy(n)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(asked("db"), "db.b db.c db");
        assert_eq!(asked("db.test"), "db.test db.test.b db.test.c");
        assert_eq!(asked("db."), "db.");
    }
}
