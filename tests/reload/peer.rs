//! Peers that take their time: a server that sends lines back, and a name server that knows every name.
use std::io::{BufRead as _, BufReader, Result, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(300);
const SHORT_PAUSE: Duration = Duration::from_millis(40);

/// Sends each line back after a while; the line `short` soon.
pub(crate) fn lines() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    in_thread(move || {
        for client in listener.incoming().flatten() {
            in_thread(move || drop(echo(&client)));
        }
    });
    Ok(port)
}

fn echo(client: &TcpStream) -> Result<()> {
    let (mut reader, mut writer) = (BufReader::new(client), client);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        thread::sleep(if line == "short\n" { SHORT_PAUSE } else { PAUSE });
        writer.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// Every name is this host, for a second.
pub(crate) fn names() -> Result<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    in_thread(move || {
        let mut query = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut query) {
            let (query, socket) = (query[..len].to_vec(), socket.try_clone());
            in_thread(move || {
                thread::sleep(PAUSE);
                // Who asked may be gone.
                let _ = socket.and_then(|socket| socket.send_to(&answer(&query), client));
            });
        }
    });
    Ok(port)
}

fn answer(query: &[u8]) -> Vec<u8> {
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend(&query[12..]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    answer
}

fn in_thread(body: impl FnOnce() + Send + 'static) {
    drop(thread::Builder::new().spawn(body));
}
