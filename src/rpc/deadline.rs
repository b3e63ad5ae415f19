//! `grpc-timeout`: how long a caller will wait.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

const HEADER: &str = "grpc-timeout";
/// The most digits that the gRPC specification allows.
const DIGITS_MAX: usize = 8;

/// The time that the caller gives the call; `None` where it says nothing, or nothing that can be read,
/// which gRPC says to pass over.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.checked_mul(3_600)?),
        "M" => Duration::from_secs(count.checked_mul(60)?),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_specification_are_read_and_others_passed_over() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, text.parse().unwrap());
            of(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("82m"), Some(Duration::from_millis(82)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for other in ["", "S", "1", "1x", "-1S", "1.5S", "123456789S", " 1S", "+1S"] {
            assert_eq!(read(other), None, "{other:?}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
