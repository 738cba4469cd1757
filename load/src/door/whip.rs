//! WHIP (RFC 9725) and WHEP, over plain HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// How long a server may take to answer, and to have something to watch.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two questions whether there is something to watch.
const RETRY: Duration = Duration::from_millis(50);
/// Largest answer.
const MOST_BYTES: u64 = 1 << 24;

pub(crate) struct Whip {
    whip: String,
    whep: String,
    token: Option<String>,
    /// What ends each session.
    sessions: Vec<String>,
}

impl Whip {
    pub(super) fn new(whip: String, whep: String, token: Option<String>) -> Self {
        Self { whip, whep, token, sessions: Vec::new() }
    }

    pub(super) fn publish(&mut self, room: usize, offer: &str) -> anyhow::Result<String> {
        let url = self.whip.replace("{room}", &format!("load{room}"));
        let answer = self.post(&url, offer)?;
        anyhow::ensure!(answer.status == 201, "{} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    pub(super) fn watch(&mut self, room: usize, offer: &str) -> anyhow::Result<String> {
        let url = self.whep.replace("{room}", &format!("load{room}"));
        let begun = Instant::now();
        loop {
            let answer = self.post(&url, offer)?;
            match answer.status {
                201 => return Ok(answer.body),
                // Nobody sends there yet.
                404 | 409 if begun.elapsed() < PATIENCE => thread::sleep(RETRY),
                status => anyhow::bail!("{status} {}", answer.body),
            }
        }
    }

    pub(super) fn close(mut self) -> anyhow::Result<()> {
        for session in std::mem::take(&mut self.sessions) {
            // It may have ended with what it showed.
            self.ask("DELETE", &session, "", "")?;
        }
        Ok(())
    }

    fn post(&mut self, url: &str, offer: &str) -> anyhow::Result<Answer> {
        let answer = self.ask("POST", url, "content-type: application/sdp\r\n", offer)?;
        if let Some(location) = &answer.location {
            let end = url.find("://").map_or(0, |at| at + 3);
            let origin = url[end..].find('/').map_or(url, |at| &url[..end + at]);
            let is_path = location.starts_with('/');
            self.sessions.push(if is_path { format!("{origin}{location}") } else { location.clone() });
        }
        Ok(answer)
    }

    fn ask(&self, method: &str, url: &str, headers: &str, body: &str) -> anyhow::Result<Answer> {
        let token = self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        request(method, url, &format!("{headers}{}", token.unwrap_or_default()), body)
    }
}

/// Gets a page.
pub(crate) fn get(url: &str) -> anyhow::Result<String> {
    let answer = request("GET", url, "", "")?;
    anyhow::ensure!(answer.status == 200, "{url} says {}", answer.status);
    Ok(answer.body)
}

struct Answer {
    status: u16,
    location: Option<String>,
    body: String,
}

fn request(method: &str, url: &str, headers: &str, body: &str) -> anyhow::Result<Answer> {
    let rest = url.strip_prefix("http://").context("the url begins with http://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address: SocketAddr = authority.to_socket_addrs()?.next().context("the url has an address")?;
    let mut stream = TcpStream::connect(crate::this_machine(address)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("an answer has a status")?;
    let location = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned()));
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { joined(body).context("chunks")? } else { body.to_owned() };
    Ok(Answer { status, location, body })
}

/// A body that came in chunks (RFC 9112 section 7.1).
fn joined(mut rest: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole += after.get(..length)?;
        rest = after.get(length..)?.strip_prefix("\r\n")?;
    }
}
