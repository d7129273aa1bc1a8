//! What the programs' sockets talk to: TCP and UDP on one port. The first line says how a connection is served.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// Serves for as long as the process lives.
pub(crate) fn start(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    thread::Builder::new().spawn(move || {
        for stream in listener.incoming().flatten() {
            // Out of threads: the connection closes.
            let _ =
                thread::Builder::new().stack_size(128 << 10).spawn(move || drop(serve(&stream)));
        }
    })?;
    thread::Builder::new().spawn(move || {
        let mut datagram = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    })?;
    Ok(())
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let mut reader = BufReader::new(stream);
    let mut how = Vec::new();
    reader.read_until(b'\n', &mut how)?;
    let mut writer = stream;
    match how.as_slice() {
        b"lines\n" => writer.write_all("a short line\n".repeat(40).as_bytes())?,
        b"big\n" => writer.write_all(&vec![b'x'; 200_000])?,
        b"drip\n" => {
            for byte in b"drop by\ndrop by drop\n" {
                writer.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(1));
            }
        }
        b"close\n" => return stream.shutdown(Shutdown::Both),
        // Closing with unread data makes a reset.
        b"reset\n" => {
            thread::sleep(Duration::from_millis(2));
            return Ok(());
        }
        b"hold\n" => {}
        first => writer.write_all(first)?,
    }
    let mut heard = [0; 4096];
    loop {
        let length = reader.read(&mut heard)?;
        if length == 0 {
            return Ok(());
        }
        if how != b"hold\n" {
            writer.write_all(&heard[..length])?;
        }
    }
}
