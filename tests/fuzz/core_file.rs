//! Reads from a core where its process died, without a debugger: a page's worth of the instruction's address,
//! which is the same each time wherever libraries are loaded.
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

const NOTE: u32 = 4;
const PRSTATUS: u32 = 1;
/// Of the instruction pointer in a `struct elf_prstatus` of x86-64.
const RIP: usize = 112 + 16 * 8;

/// The last three hexadecimal digits of the instruction's address; none of another architecture's core.
pub(crate) fn instruction(core: &Path) -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    // Headers and notes come first.
    let mut bytes = Vec::new();
    File::open(core).ok()?.take(1 << 20).read_to_end(&mut bytes).ok()?;
    let half = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (table, size, count) = (long(32)? as usize, half(54)? as usize, half(56)? as usize);
    let header = (0..count).map(|n| table + n * size).find(|at| word(*at) == Some(NOTE))?;
    let mut at = long(header + 8)? as usize;
    loop {
        let padded = |length: u32| (length as usize).next_multiple_of(4);
        let (name, contents, kind) = (word(at)?, word(at + 4)?, word(at + 8)?);
        let start = at + 12 + padded(name);
        if kind == PRSTATUS {
            return Some(format!("{:03x}", long(start + RIP)? & 0xfff));
        }
        at = start + padded(contents);
    }
}
