//! The server that rows with sockets talk to: each line is a command, answered at once. It is no part of what
//! is measured.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// What a location says for the peer's port.
pub(crate) const PORT: &str = "PEER_PORT";

/// Starts the peer, which lives as long as the process, and returns its port.
pub(crate) fn start() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    for command in BufReader::new(stream).lines() {
        match command?.as_str() {
            "PING" => answers.write_all(b"+PONG\r\n")?,
            "LINES" => {
                answers.write_all("a line of a header: some value\r\n".repeat(20).as_bytes())?
            }
            "BLOCK" => answers.write_all(&[b'x'; 64 * 1024])?,
            _ => break,
        }
    }
    Ok(())
}
