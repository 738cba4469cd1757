//! The Range header (RFC 9110 section 14.2), and the body that answers it from a file.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use tokio::io::AsyncReadExt as _;

/// What is read from disk and sent at a time. Higher: fewer reads; lower: less memory for each who downloads slowly.
const PIECE_BYTES: usize = 128 * 1024;

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

/// `count` bytes of the file from `first` on, read as they are sent.
pub(super) fn body(mut file: File, first: u64, count: u64) -> std::io::Result<Body> {
    file.seek(SeekFrom::Start(first))?;
    let reader = tokio::fs::File::from_std(file).take(count);
    let pieces = futures_util::stream::try_unfold(reader, async |mut reader| {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
        std::io::Result::Ok((read > 0).then(|| (Bytes::from(piece), reader)))
    });
    Ok(Body::from_stream(pieces))
}
