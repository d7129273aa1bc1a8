//! The server that rows with sockets talk to: each line is a command, answered at once, if at all. It is no part of
//! what is measured.
// No thread of nginx's.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// What a location says for the peer's port.
pub(crate) const PORT: &str = "PEER_PORT";

/// What a location says for the port of the peer that speaks TLS.
pub(crate) const TLS_PORT: &str = "TLS_PEER_PORT";

/// Starts the peer, which lives as long as the process, and returns its port. What comes there in datagrams goes
/// back.
pub(crate) fn start() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    let datagrams = UdpSocket::bind(("127.0.0.1", port))?;
    thread::spawn(move || {
        let mut data = [0; 2048];
        while let Ok((len, client)) = datagrams.recv_from(&mut data) {
            // Late enough for whoever asks to wait: an answer that is there sometimes makes a row vary.
            thread::sleep(Duration::from_micros(400));
            let _ = datagrams.send_to(&data[..len], client);
        }
    });
    Ok(port)
}

/// An nginx that speaks TLS, and answers whatever it is asked.
pub(crate) struct TlsPeer {
    server: Child,
    pub(crate) port: u16,
}

impl TlsPeer {
    pub(crate) fn start(nginx: &Path, dir: &Path) -> Result<Self> {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/certificates");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates");
        if !Command::new(tool).arg(&folder).status()?.success() {
            return Err(Error::other("no certificates for the peer that speaks TLS"));
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::create_dir_all(dir)?;
        let certificates = folder.display();
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log; events {{ }}
            http {{
                access_log off;
                keepalive_requests 1000000000;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                server {{
                    listen 127.0.0.1:{port} ssl;
                    ssl_certificate {certificates}/server.crt;
                    ssl_certificate_key {certificates}/server.key;
                    location / {{ return 204; }}
                }}
            }}"
        );
        fs::write(dir.join("nginx.conf"), configuration)?;
        let server = Command::new(nginx)
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(dir)
            .current_dir(dir)
            .stdin(Stdio::null())
            .spawn()?;
        let mut peer = Self { server, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if peer.server.try_wait()?.is_some() {
                return Err(Error::other("the peer that speaks TLS did not start"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(peer)
    }
}

impl Drop for TlsPeer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    for command in BufReader::new(stream).lines() {
        match command?.as_str() {
            "PING" => answers.write_all(b"+PONG\r\n")?,
            "LINES" => {
                answers.write_all("a line of a header: some value\r\n".repeat(200).as_bytes())?
            }
            "QUIET" => {}
            "BLOCK" => answers.write_all(&[b'x'; 64 * 1024])?,
            _ => break,
        }
    }
    Ok(())
}
