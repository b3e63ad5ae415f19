//! What a server allows: a limit on everything that a caller can make large, long or many.

use std::time::Duration;

/// What a server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections; further ones are closed at once, or take the place of one that has not yet
    /// said anything.
    pub connections_max: usize,
    /// Concurrent calls on one connection.
    pub streams_max: u32,
    /// Time from a connection to its HTTP/2 preface, the TLS handshake included.
    pub handshake_max: Duration,
    /// Time that a connection may stay open without a call, and that a stream's client may take to
    /// send on or to take an answer.
    pub idle_max: Duration,
    /// Time after which a connection is asked to go, so that callers spread over new servers.
    pub age_max: Duration,
    /// Time for the request of a single call to come in whole.
    pub body_max: Duration,
    /// Time from a call to its answer, reading of the request included. A caller's own deadline
    /// holds where it is shorter. Streams have none but their caller's.
    pub call_max: Duration,
    /// Length of one message.
    pub message_bytes_max: usize,
    /// Length of a call's headers together.
    pub header_bytes_max: u32,
    /// Events of one history, or encounters; at most the 200,000 and 20,000 of the contract.
    pub events_max: usize,
    /// Silence on a connection after which it is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// Time for that sign.
    pub keepalive_timeout: Duration,
    /// Calls in work at once, in the whole process; further ones are refused at once.
    pub calls_at_once_max: usize,
    /// Time that work may wait for a processor; while it waits longer, calls are refused.
    pub queue_max: Duration,
    /// Streams of scores, in the whole process.
    pub score_streams_max: usize,
    /// Requests of streams in work at once, in the whole process: single calls go before.
    pub stream_items_at_once: usize,
    /// Watches of flags, in the whole process.
    pub flag_watches_max: usize,
    /// Time between saying NOT_SERVING and closing the door, so that balancers hear of it first.
    pub notice: Duration,
    /// Time for open calls to end after a shutdown began; then they are cut.
    pub drain_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 1_024,
            streams_max: 100,
            handshake_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(300),
            age_max: Duration::from_secs(1_800),
            body_max: Duration::from_secs(10),
            call_max: Duration::from_secs(30),
            message_bytes_max: 4 * 1024 * 1024,
            header_bytes_max: 16 * 1024,
            events_max: 200_000,
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            calls_at_once_max: 1_024,
            queue_max: Duration::from_millis(40),
            score_streams_max: 64,
            stream_items_at_once: 2,
            flag_watches_max: 64,
            notice: Duration::from_millis(500),
            drain_max: Duration::from_secs(25),
        }
    }
}
