//! The section `[limits]`: what the server allows, in whole units.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SettingFault;
use crate::rpc::Limits;

/// The section `[limits]` as it is written, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSettings {
    /// Open connections; further ones are closed at once.
    pub connections_max: u64,
    /// Concurrent calls on one connection.
    pub streams_max: u64,
    /// From a connection to its HTTP/2 preface, the TLS handshake included.
    pub handshake_seconds: u64,
    /// That a connection may stay open without a call.
    pub idle_seconds: u64,
    /// After which a connection is asked to go, so that callers spread over new servers.
    pub connection_age_seconds: u64,
    /// For the request of a single call to come in whole.
    pub body_seconds: u64,
    /// From a call to its answer.
    pub call_seconds: u64,
    /// Length of one message.
    pub message_bytes_max: u64,
    /// Length of a call's headers together.
    pub header_bytes_max: u64,
    /// Events of one history.
    pub events_max: u64,
    /// Silence on a connection after which it is asked for a sign of life.
    pub keepalive_interval_seconds: u64,
    /// For that sign.
    pub keepalive_timeout_seconds: u64,
    /// Calls in work at once, in the whole process.
    pub calls_at_once_max: u64,
    /// That work may wait for a processor; while it waits longer, calls are refused.
    pub queue_milliseconds: u64,
    /// Streams of scores, in the whole process.
    pub score_streams_max: u64,
    /// Requests of streams in work at once, in the whole process.
    pub stream_items_at_once: u64,
    /// Watches of flags, in the whole process.
    pub flag_watches_max: u64,
    /// Between saying NOT_SERVING and closing the door.
    pub notice_milliseconds: u64,
    /// For open calls to end after a shutdown began; then they are cut.
    pub drain_seconds: u64,
}

impl Default for LimitsSettings {
    fn default() -> LimitsSettings {
        let limits = Limits::default();
        let whole = |count: usize| count as u64;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        LimitsSettings {
            connections_max: whole(limits.connections_max),
            streams_max: limits.streams_max.into(),
            handshake_seconds: limits.handshake_max.as_secs(),
            idle_seconds: limits.idle_max.as_secs(),
            connection_age_seconds: limits.age_max.as_secs(),
            body_seconds: limits.body_max.as_secs(),
            call_seconds: limits.call_max.as_secs(),
            message_bytes_max: whole(limits.message_bytes_max),
            header_bytes_max: limits.header_bytes_max.into(),
            events_max: whole(limits.events_max),
            keepalive_interval_seconds: limits.keepalive_interval.as_secs(),
            keepalive_timeout_seconds: limits.keepalive_timeout.as_secs(),
            calls_at_once_max: whole(limits.calls_at_once_max),
            queue_milliseconds: milliseconds(limits.queue_max),
            score_streams_max: whole(limits.score_streams_max),
            stream_items_at_once: whole(limits.stream_items_at_once),
            flag_watches_max: whole(limits.flag_watches_max),
            notice_milliseconds: milliseconds(limits.notice),
            drain_seconds: limits.drain_max.as_secs(),
        }
    }
}

const HOUR_SECONDS: u64 = 3_600;
const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;

impl LimitsSettings {
    /// The least and the most of each setting: room for every real site, none for a slip of the
    /// keyboard that makes a limit no limit.
    fn ranges(&self) -> [(&'static str, u64, u64, u64); 19] {
        [
            ("connections_max", self.connections_max, 1, 100_000),
            ("streams_max", self.streams_max, 1, 10_000),
            ("handshake_seconds", self.handshake_seconds, 1, 300),
            ("idle_seconds", self.idle_seconds, 1, DAY_SECONDS),
            ("connection_age_seconds", self.connection_age_seconds, 10, 7 * DAY_SECONDS),
            ("body_seconds", self.body_seconds, 1, HOUR_SECONDS),
            ("call_seconds", self.call_seconds, 1, HOUR_SECONDS),
            ("message_bytes_max", self.message_bytes_max, 1 << 10, 256 << 20),
            // HTTP/2 wants at least 4 KiB of room for common headers and a bearer token.
            ("header_bytes_max", self.header_bytes_max, 4 << 10, 1 << 20),
            ("events_max", self.events_max, 1, 200_000),
            ("keepalive_interval_seconds", self.keepalive_interval_seconds, 1, DAY_SECONDS),
            ("keepalive_timeout_seconds", self.keepalive_timeout_seconds, 1, HOUR_SECONDS),
            ("calls_at_once_max", self.calls_at_once_max, 1, 100_000),
            ("queue_milliseconds", self.queue_milliseconds, 1, 60_000),
            ("score_streams_max", self.score_streams_max, 1, 10_000),
            ("stream_items_at_once", self.stream_items_at_once, 1, 1_024),
            ("flag_watches_max", self.flag_watches_max, 1, 10_000),
            ("notice_milliseconds", self.notice_milliseconds, 0, 60_000),
            ("drain_seconds", self.drain_seconds, 0, HOUR_SECONDS),
        ]
    }

    /// The limits that these settings stand for.
    ///
    /// # Errors
    /// Each setting outside its range, with the range.
    pub fn check(&self) -> Result<Limits, Vec<SettingFault>> {
        let outside =
            self.ranges().into_iter().filter(|(_, value, min, max)| !(min..=max).contains(&value));
        let faults: Vec<SettingFault> = outside
            .map(|(key, value, min, max)| SettingFault {
                key,
                reason: format!("{value} is outside {min} to {max}"),
            })
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let (count, seconds) = (|value: u64| value as usize, Duration::from_secs);
        Ok(Limits {
            connections_max: count(self.connections_max),
            streams_max: self.streams_max as u32,
            handshake_max: seconds(self.handshake_seconds),
            idle_max: seconds(self.idle_seconds),
            age_max: seconds(self.connection_age_seconds),
            body_max: seconds(self.body_seconds),
            call_max: seconds(self.call_seconds),
            message_bytes_max: count(self.message_bytes_max),
            header_bytes_max: self.header_bytes_max as u32,
            events_max: count(self.events_max),
            keepalive_interval: seconds(self.keepalive_interval_seconds),
            keepalive_timeout: seconds(self.keepalive_timeout_seconds),
            calls_at_once_max: count(self.calls_at_once_max),
            queue_max: Duration::from_millis(self.queue_milliseconds),
            score_streams_max: count(self.score_streams_max),
            stream_items_at_once: count(self.stream_items_at_once),
            flag_watches_max: count(self.flag_watches_max),
            notice: Duration::from_millis(self.notice_milliseconds),
            drain_max: seconds(self.drain_seconds),
        })
    }
}
