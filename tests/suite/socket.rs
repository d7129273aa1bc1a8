//! TCP or unix sockets behind one face, for the peers of a block: `1234` is a port, `….sock` a path.
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{self as unix, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

/// Never blocks.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Never blocks on receiving.
pub(crate) enum Datagram {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

pub(crate) enum Sender {
    Udp(SocketAddr),
    Unix(unix::SocketAddr),
}

enum Target<'a> {
    Port(u16),
    Path(&'a str),
}

impl Target<'_> {
    fn parse(text: &str) -> Result<Target<'_>> {
        match text.parse() {
            Ok(port) => Ok(Target::Port(port)),
            Err(_) if text.ends_with(".sock") => Ok(Target::Path(text)),
            Err(_) => Err(ErrorKind::InvalidInput.into()),
        }
    }
}

impl Listener {
    pub(crate) fn bind(target: &str) -> Result<Listener> {
        match Target::parse(target)? {
            Target::Port(port) => {
                let listener = TcpListener::bind(("127.0.0.1", port))?;
                listener.set_nonblocking(true)?;
                Ok(Listener::Tcp(listener))
            }
            Target::Path(path) => {
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok(Listener::Unix(listener))
            }
        }
    }

    /// The stream does block.
    pub(crate) fn accept(&self) -> Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Stream::Unix(stream))
            }
        }
    }
}

impl Stream {
    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            Stream::Unix(stream) => stream.shutdown(how),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }
}

impl Datagram {
    pub(crate) fn bind(target: &str) -> Result<Datagram> {
        match Target::parse(target)? {
            Target::Port(port) => {
                let socket = UdpSocket::bind(("127.0.0.1", port))?;
                socket.set_nonblocking(true)?;
                Ok(Datagram::Udp(socket))
            }
            Target::Path(path) => {
                let socket = UnixDatagram::bind(path)?;
                socket.set_nonblocking(true)?;
                Ok(Datagram::Unix(socket))
            }
        }
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<(usize, Sender)> {
        match self {
            Datagram::Udp(socket) => {
                let (len, from) = socket.recv_from(buffer)?;
                Ok((len, Sender::Udp(from)))
            }
            Datagram::Unix(socket) => {
                let (len, from) = socket.recv_from(buffer)?;
                Ok((len, Sender::Unix(from)))
            }
        }
    }

    pub(crate) fn send(&self, bytes: &[u8], to: &Sender) -> Result<()> {
        match (self, to) {
            (Datagram::Udp(socket), Sender::Udp(to)) => socket.send_to(bytes, to)?,
            (Datagram::Unix(socket), Sender::Unix(to)) => socket.send_to_addr(bytes, to)?,
            _ => return Err(ErrorKind::InvalidInput.into()),
        };
        Ok(())
    }
}
