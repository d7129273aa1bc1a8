//! A name server for the blocks that name `$TEST_NGINX_DNS_PORT`: one for the whole run, in a thread of the
//! runner. It knows a few names below `test`, says nothing to `silent.test`, and that there is no other.
use std::net::UdpSocket;
use std::sync::OnceLock;
use std::thread;

/// The names with their addresses.
const NAMES: &[(&str, &[&str])] = &[
    ("one.test", &["127.0.0.1"]),
    ("three.test", &["127.0.0.1", "127.0.0.1", "127.0.0.1"]),
    ("six.test", &["::1"]),
    ("both.test", &["::1", "127.0.0.1"]),
    ("one.domain.test", &["127.0.0.1"]),
];

const A: u16 = 1;
const AAAA: u16 = 28;
const NO_SUCH_NAME: u8 = 3;

/// Where it listens.
pub(crate) fn port() -> Result<String, String> {
    static PORT: OnceLock<Result<String, String>> = OnceLock::new();
    PORT.get_or_init(|| start().map_err(|e| format!("the name server: {e}"))).clone()
}

fn start() -> std::io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    let serve = move || {
        let mut query = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..len]) {
                // Who asked may be gone.
                let _ = socket.send_to(&answer, client);
            }
        }
    };
    thread::Builder::new().spawn(serve)?;
    Ok(port.to_string())
}

/// The answer to a query of one question; `None` if there is to be none.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let (name, end) = name(query.get(12..)?)?;
    let end = 12 + end;
    let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
    if name == "silent.test" {
        return None;
    }
    let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, addresses)| *addresses);
    let records: Vec<Vec<u8>> =
        known.unwrap_or_default().iter().filter_map(|text| record(kind, text)).collect();
    let code = if known.is_some() { 0 } else { NO_SUCH_NAME };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(&query[12..end + 4]);
    answer.extend(records.concat());
    Some(answer)
}

/// The name of a question, and where its type begins.
fn name(mut question: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut end = 1;
    loop {
        let (len, rest) = question.split_first()?;
        if *len == 0 {
            return Some((labels.join("."), end));
        }
        let (label, rest) = rest.split_at_checked(usize::from(*len))?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        end += label.len() + 1;
        question = rest;
    }
}

/// A record with the address, if it is of that kind.
fn record(kind: u16, text: &str) -> Option<Vec<u8>> {
    let data = match (kind, text.parse().ok()?) {
        (A, std::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
        (AAAA, std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
        _ => return None,
    };
    // The name of the question, the kind, class IN, a minute to live.
    let mut record = vec![0xc0, 12];
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 60]);
    record.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    record.extend(data);
    Some(record)
}
