//! `$TEST_NGINX_…` in sections: the names a block may use and what they stand for in this run.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::certificate;
use super::daemon;
use super::dns;
use super::port::Port;
use super::preamble::{EnvSource, Preamble};
use super::settings::inherited;
use super::value::{find, replace_word};

pub(crate) struct Vars {
    pub(crate) port: Port,
    fixed: BTreeMap<String, String>,
    /// `TEST_NGINX_RAND_PORT_n`, leased when first named.
    random: RefCell<BTreeMap<String, Port>>,
}

impl Vars {
    pub(crate) fn new(preamble: &Preamble, root: &Path) -> Result<Vars, String> {
        let port = Port::lease()?;
        let mut fixed = inherited();
        for (name, value) in &preamble.env {
            if value.default_only && fixed.contains_key(name) {
                continue;
            }
            let text = match &value.source {
                EnvSource::Text(text) => text.clone(),
                EnvSource::HtmlDir => root.join("html").display().to_string(),
                EnvSource::ServerRoot => root.display().to_string(),
                EnvSource::ServerPort => port.number().to_string(),
            };
            fixed.insert(name.clone(), text);
        }
        fixed.insert("TEST_NGINX_SERVER_PORT".into(), port.number().to_string());
        fixed.insert("TEST_NGINX_SERVER_ROOT".into(), root.display().to_string());
        Ok(Vars { port, fixed, random: RefCell::default() })
    }

    pub(crate) fn expand(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        const MARK: &[u8] = b"$TEST_NGINX_";
        if find(text, b"${TEST_NGINX_").is_some() {
            return Err("`${TEST_NGINX_…}`: Test::Nginx expands names without braces only".into());
        }
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = find(rest, MARK) {
            out.extend_from_slice(&rest[..at]);
            let name = &rest[at + 1..];
            let is_name = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
            let end = name.iter().position(|b| !is_name(b)).unwrap_or(name.len());
            out.extend(self.get(&String::from_utf8_lossy(&name[..end]))?.bytes());
            rest = &name[end..];
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    /// As [`Vars::expand`], and `$ServerPort`, which only expected bodies may name.
    pub(crate) fn expand_expected(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        self.expand(&self.server_port_in(text))
    }

    pub(crate) fn server_port_in(&self, text: &[u8]) -> Vec<u8> {
        let port = self.port.number().to_string();
        let text = replace_word(text, b"$ServerPort", port.as_bytes());
        replace_word(&text, b"$ServerPortForClient", port.as_bytes())
    }

    fn get(&self, name: &str) -> Result<String, String> {
        if let Some(number) = name.strip_prefix("TEST_NGINX_RAND_PORT_")
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            let mut random = self.random.borrow_mut();
            if !random.contains_key(name) {
                random.insert(name.to_owned(), Port::lease()?);
            }
            return Ok(random[name].number().to_string());
        }
        let value = self.fixed.get(name).cloned();
        match name {
            "TEST_NGINX_CERT_DIR" if value.is_none() => return certificate::folder(),
            "TEST_NGINX_DNS_PORT" if value.is_none() => return dns::port(),
            _ => {}
        }
        if value.is_none()
            && let Some(port) = daemon::port(name)
        {
            return port;
        }
        value
            .ok_or_else(|| format!("${name} is set neither in the preamble nor in the environment"))
    }
}
