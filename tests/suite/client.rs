//! The HTTP client: sends the packets of one request, collects what comes back until the server closes.
//! It knows bytes and time only.
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::request::Request;

/// How often a blocked read looks at the clock.
const TICK: Duration = Duration::from_millis(20);

pub(crate) struct Exchange {
    pub(crate) address: SocketAddr,
    /// Without any event for this long the client gives up.
    pub(crate) timeout: Duration,
    /// Close this direction once all is written.
    pub(crate) shutdown: Option<Shutdown>,
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) timed_out: bool,
    pub(crate) trouble: Option<String>,
}

impl Exchange {
    pub(crate) fn new(ip: IpAddr, port: u16, timeout: Duration) -> Exchange {
        Exchange { address: SocketAddr::new(ip, port), timeout, shutdown: None }
    }

    pub(crate) fn run(&self, request: &Request) -> Answer {
        let mut answer = Answer::default();
        if let Err(error) = self.try_run(request, &mut answer) {
            answer.trouble = Some(format!("client: {error}"));
        }
        answer
    }

    fn try_run(&self, request: &Request, answer: &mut Answer) -> std::io::Result<()> {
        let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK.min(self.timeout)))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let active = Mutex::new(Instant::now());
        thread::scope(|scope| {
            let writer = scope.spawn(|| self.write(request, &stream, &active));
            let read = self.read(&stream, &active, answer);
            // Wakes a writer that is stuck on a server which reads no more.
            let _ = stream.shutdown(Shutdown::Both);
            let written = writer.join().unwrap_or(Ok(()));
            // An early answer may well end the connection before the request is out.
            if answer.bytes.is_empty() { read.and(written) } else { read }
        })
    }

    fn write(
        &self,
        request: &Request,
        mut stream: &TcpStream,
        active: &Mutex<Instant>,
    ) -> std::io::Result<()> {
        for packet in &request.packets {
            if let Some(delay) = packet.delay_before {
                touch(active, delay);
                thread::sleep(delay);
            }
            stream.write_all(&packet.bytes)?;
            touch(active, Duration::ZERO);
        }
        self.shutdown.map_or(Ok(()), |how| stream.shutdown(how))
    }

    fn read(
        &self,
        mut stream: &TcpStream,
        active: &Mutex<Instant>,
        answer: &mut Answer,
    ) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    answer.bytes.extend_from_slice(&buffer[..n]);
                    touch(active, Duration::ZERO);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    let last = *active.lock().unwrap_or_else(PoisonError::into_inner);
                    if last.elapsed() >= self.timeout {
                        answer.timed_out = true;
                        return Ok(());
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// Something happened, or will within `ahead`.
fn touch(active: &Mutex<Instant>, ahead: Duration) {
    *active.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + ahead;
}
