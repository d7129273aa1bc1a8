//! `Chunk`: the Lua code of one directive, with its name in messages and its place in the code cache.
use std::ffi::CString;

use crate::nginx::config::{ComplexValue, Config};
use crate::nginx::digest::md5_hex;
use crate::nginx::{Level, Log, Phase, Request};
use crate::vm::CacheRef;

/// LuaJIT shows this much of a chunk's name.
const MAX_NAME: usize = 56;

/// Lua source, where it comes from.
pub(crate) enum Source {
    /// Code from the configuration.
    Inline { code: Box<[u8]>, name: CString, key: CString },
    /// A file, named once and for all.
    File { path: CString, key: CString },
    /// A file whose name holds nginx variables.
    Variable(ComplexValue),
}

pub(crate) struct Chunk {
    pub(crate) phase: Phase,
    pub(crate) source: Source,
    pub(crate) cache: CacheRef,
}

impl Chunk {
    /// `code` as it stands at the line being read; `line` is where its directive begins.
    pub(crate) fn inline(cf: Config, phase: Phase, code: &[u8], line: usize) -> Self {
        let tag = phase.directive();
        let used = tag.len() + line.to_string().len();
        let file = cf.file_label(MAX_NAME.saturating_sub(used));
        let name = [b"=", tag.as_bytes(), b"(", &file, format!(":{line})").as_bytes()].concat();
        let key = format!("{tag}_nhli_{}", hex(code));
        let source = Source::Inline {
            code: code.into(),
            name: c_string(name),
            key: c_string(key.into_bytes()),
        };
        Self { phase, source, cache: CacheRef::unset() }
    }

    /// The file at `path`, relative to the prefix; its name may hold variables.
    pub(crate) fn file(cf: Config, phase: Phase, path: &[u8]) -> Option<Self> {
        let value = ComplexValue::compile(cf, path)?;
        let (source, cache) = if value.has_variables() {
            (Source::Variable(value), CacheRef::by_key())
        } else {
            let source = Source::File { path: cf.full_path(path)?, key: file_key(path) };
            (source, CacheRef::unset())
        };
        Some(Self { phase, source, cache })
    }

    /// Logs that the code, which runs once, has failed; `message` is `None` if what it raised is no text.
    pub(crate) fn report(&self, log: Log, message: Option<&[u8]>) {
        let suffix: &[u8] =
            if matches!(self.source, Source::Inline { .. }) { b"" } else { b"_file" };
        let message = message.unwrap_or(b"unknown error");
        let name = self.phase.directive().as_bytes();
        log.write(Level::Error, &[name, suffix, b" error: ", message].concat());
    }

    /// The file a request asks for, where that depends on variables.
    pub(crate) fn path(value: &ComplexValue, r: Request) -> Option<CString> {
        crate::nginx::config::request_path(r, value.evaluate(r)?)
    }
}

/// The code cache's key of the file at `path`.
pub(crate) fn file_key(path: &[u8]) -> CString {
    c_string(format!("nhlf_{}", hex(path)).into_bytes())
}

fn hex(data: &[u8]) -> String {
    String::from_utf8_lossy(&md5_hex(data)).into_owned()
}

/// Names come from file names and directive names, which hold no NUL.
fn c_string(bytes: Vec<u8>) -> CString {
    CString::new(bytes).unwrap_or_default()
}
