//! The Range header (RFC 9110 section 14.2). Pure.

use axum::http::HeaderValue;

/// What of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Whole,
    /// Both ends included.
    Part {
        first: usize,
        last: usize,
    },
    Unsatisfiable,
}

/// One range of a file of `length` bytes. Several ranges, and what is no range, ask for the whole file, as the RFC allows.
pub(super) fn parse(header: &str, length: usize) -> Span {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Span::Whole;
    };
    let end = length.checked_sub(1);
    match (first.parse::<usize>(), last.parse::<usize>(), end) {
        (Ok(first), Ok(last), _) if last < first => Span::Whole,
        (Ok(first), Ok(last), Some(end)) if first <= end => Span::Part { first, last: last.min(end) },
        (Ok(first), Err(_), Some(end)) if first <= end && last.is_empty() => Span::Part { first, last: end },
        (Ok(_), Ok(_), _) => Span::Unsatisfiable,
        (Ok(_), Err(_), _) if last.is_empty() => Span::Unsatisfiable,
        // The last so many bytes.
        (Err(_), Ok(count), Some(end)) if first.is_empty() && count > 0 => {
            Span::Part { first: length.saturating_sub(count), last: end }
        }
        (Err(_), Ok(_), _) if first.is_empty() => Span::Unsatisfiable,
        (Ok(_) | Err(_), Ok(_) | Err(_), _) => Span::Whole,
    }
}

/// The value of Content-Range.
pub(super) fn content_range(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits are a header value")
}
