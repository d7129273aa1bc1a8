//! What one program is: chunks of Lua for phases, as trees that can be cut down, and who asks for them.
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A statement, or one around a block of others. `tag` is the production it came from.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) tag: &'static str,
    pub(crate) open: String,
    pub(crate) body: Vec<Node>,
    pub(crate) close: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) phase: &'static str,
    pub(crate) variant: &'static str,
    pub(crate) nodes: Vec<Node>,
}

/// How a connection of a program behaves.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Which of the server's ports.
    pub(crate) listener: usize,
    pub(crate) delay_ms: u64,
    pub(crate) requests: Vec<Asked>,
    pub(crate) manner: Manner,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    /// All requests at once, or one after the other with a pause; then reads to the end.
    Http1 { pause_ms: u64 },
    /// Every request is a stream.
    Http2 { window: u32 },
    /// Closes after this long, whatever has come.
    Leave { after_ms: u64, reset: bool },
    /// Ends its direction only.
    HalfClose { after_ms: u64 },
}

/// One request, written out when it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) version: &'static str,
    pub(crate) variant: &'static str,
    pub(crate) headers: Vec<&'static str>,
    pub(crate) body: Body,
    /// Bytes of `request.rs` instead of all this.
    pub(crate) raw: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    None,
    Length(usize),
    Chunked(usize),
    /// More is announced than comes.
    Short(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) number: u64,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) connections: Vec<Connection>,
    /// A reload this long after the start.
    pub(crate) hup_ms: Option<u64>,
}

impl Program {
    /// Its name in headers and folders. Each try of a program has a name of its own, so that nothing of an
    /// earlier one is in its stash.
    pub(crate) fn name(&self, attempt: usize) -> String {
        format!("p{}n{attempt}", self.number)
    }

    /// Whether all of its requests have an answer, or the end of the connection, within bounded time. LuaJIT's
    /// own yield leaves a coroutine to whoever resumes it, and nobody may.
    pub(crate) fn must_be_answered(&self) -> bool {
        !self.text().contains("coroutine._yield")
    }

    /// Whether it uses LuaJIT's own functions for coroutines, by which code of one request may well run for another.
    pub(crate) fn is_raw(&self) -> bool {
        self.text().contains("coroutine._")
    }

    pub(crate) fn chunk(&self, phase: &str) -> Option<&Chunk> {
        self.chunks.iter().find(|c| c.phase == phase)
    }

    /// Writes the chunks into the folder that the server reads them from.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        for chunk in &self.chunks {
            let file = folder.join(format!("{}.{}.lua", chunk.phase, chunk.variant));
            fs::write(file, chunk.text())?;
        }
        Ok(())
    }

    /// All of it for a reader.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for chunk in &self.chunks {
            let _ = writeln!(text, "-- {}.{}.lua\n{}", chunk.phase, chunk.variant, chunk.text());
        }
        for connection in &self.connections {
            let _ = writeln!(
                text,
                "-- connection: port {} after {} ms, {:?}",
                connection.listener, connection.delay_ms, connection.manner
            );
            for asked in &connection.requests {
                let shown = format!("{asked:?}");
                let _ = writeln!(text, "--   {}", shown.chars().take(400).collect::<String>());
            }
        }
        if let Some(ms) = self.hup_ms {
            let _ = writeln!(text, "-- HUP after {ms} ms");
        }
        text
    }

    /// The productions it is made of: what two programs of one cause have in common once they are small.
    pub(crate) fn tags(&self) -> BTreeSet<String> {
        fn walk(nodes: &[Node], phase: &str, tags: &mut BTreeSet<String>) {
            for node in nodes {
                tags.insert(format!("{phase}: {}", node.tag));
                walk(&node.body, phase, tags);
            }
        }
        let mut tags = BTreeSet::new();
        for chunk in &self.chunks {
            walk(&chunk.nodes, chunk.phase, &mut tags);
        }
        tags
    }
}

impl Chunk {
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(PROLOGUE);
        render(&self.nodes, 0, &mut text);
        if self.phase == "set" {
            text.push_str("return \"set\"\n");
        }
        text
    }
}

/// Token, the program's stash, the chunk's own table, an earlier program's stash; short names for the rest.
const PROLOGUE: &str = "local T, S, L, O = ...\nlocal try, R = pcall, runtime\nlocal out = R.out\n";

fn render(nodes: &[Node], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for node in nodes {
        if node.close.is_empty() {
            let _ = writeln!(text, "{indent}{}", node.open);
        } else {
            let _ = writeln!(text, "{indent}{}", node.open);
            render(&node.body, depth + 1, text);
            let _ = writeln!(text, "{indent}{}", node.close);
        }
    }
}
