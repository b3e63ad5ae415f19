//! A plain HTTP client, so that nothing between us and the server mends anything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value as Json;

use crate::serve::process::PATIENCE;

/// An answer: its status, its head in lower case, its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Json,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    /// What an `OperationOutcome` says: for each issue its place and its words.
    pub(crate) fn issues(&self) -> Vec<(String, String)> {
        assert_eq!(self.body["resourceType"], "OperationOutcome", "{}", self.body);
        let issues = self.body["issue"].as_array().unwrap().iter();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        issues.map(|each| (text(&each["expression"][0]), text(&each["details"]["text"]))).collect()
    }
}

/// Sends one request and reads the answer to its end.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is refused early may be cut off while still sending.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or(Json::Null);
    Answer { status, head: head.to_ascii_lowercase().replace('\r', ""), body }
}

fn head(
    (method, path): (&str, &str),
    address: SocketAddr,
    headers: &[(&str, &str)],
    bytes: usize,
) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\n{more}content-length: {bytes}\r\n\r\n"
    )
}

pub(crate) fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let head = head(("POST", path), address, headers, body.len());
    send(address, &[head.as_bytes(), body].concat())
}

pub(crate) fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(address, head(("GET", path), address, headers, 0).as_bytes())
}
