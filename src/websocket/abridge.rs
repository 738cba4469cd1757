//! Shortens messages that come in (RFC 6455 section 5.2), frame by frame, without keeping any of them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};

/// Bytes at the end of what is left of a shortened message. A character that is cut there is finished in them, as text has to be
/// UTF-8; the rest of them are spaces.
pub const SEAM: usize = 4;

/// Bytes that are read from the connection at once. Most messages are shorter.
const READ: usize = 4096;

const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTINUATION: u8 = 0;
/// Opcodes from here on are of control frames, which come in between those of a message.
const CONTROL: u8 = 8;
/// Bytes of one.
const CONTROL_MAX: u64 = 125;
const MASKED: u8 = 0x80;
/// Two bytes, eight of a length, four of a key.
const HEADER_MAX: usize = 14;

/// Frames in, frames out, neither held: messages of at most `most` bytes as they are, of longer ones the beginning.
#[derive(Debug)]
pub struct Abridger {
    most: u64,
    /// Bytes of the message that is coming in which have been passed on, as far as they count: at most `most`.
    passed: u64,
    /// The message is over, as far as the reader knows; its further frames are dropped.
    cut: bool,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A header comes in.
    Header {
        bytes: [u8; HEADER_MAX],
        have: usize,
    },
    /// A header goes out.
    Due {
        bytes: [u8; HEADER_MAX],
        from: usize,
        until: usize,
        payload: Payload,
    },
    Payload(Payload),
}

/// What is still to come of a frame.
#[derive(Debug, Clone, Copy)]
struct Payload {
    /// Bytes that are passed on as they are.
    kept: u64,
    /// After these.
    seam: u64,
    /// After these.
    dropped: u64,
    key: [u8; 4],
    /// Where in the key the next byte is.
    at: usize,
    /// Nothing but the end of a character has come in the seam.
    within: bool,
}

impl Abridger {
    /// `most`: bytes of a message that are let through; at least those of a control frame, 125.
    pub fn new(most: usize) -> Self {
        Self { most: most as u64, passed: 0, cut: false, step: Step::new() }
    }

    /// Takes from `input` and writes to `output`; how much of each. With room in both, one of the two moves.
    pub fn pass(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut written) = (0, 0);
        loop {
            let (rest, room) = (&input[taken..], &mut output[written..]);
            match &mut self.step {
                Step::Header { bytes, have } => {
                    let wanted = header_len(&bytes[..*have]);
                    if *have == wanted {
                        let bytes = *bytes;
                        self.step = self.frame(bytes, wanted);
                        continue;
                    }
                    let Some(next) = rest.first() else { return (taken, written) };
                    bytes[*have] = *next;
                    *have += 1;
                    taken += 1;
                }
                Step::Due { bytes, from, until, payload } => {
                    let count = (*until - *from).min(room.len());
                    room[..count].copy_from_slice(&bytes[*from..*from + count]);
                    *from += count;
                    written += count;
                    if from < until {
                        return (taken, written);
                    }
                    self.step = Step::Payload(*payload);
                }
                Step::Payload(payload) => {
                    let (in_, out) = payload.pass(rest, room);
                    taken += in_;
                    written += out;
                    if !payload.is_over() {
                        return (taken, written);
                    }
                    self.step = Step::new();
                }
            }
        }
    }

    /// What is done with a frame whose header is there.
    fn frame(&mut self, mut bytes: [u8; HEADER_MAX], header: usize) -> Step {
        let (opcode, fin, length) = (bytes[0] & OPCODE, bytes[0] & FIN != 0, length(&bytes));
        let key = if bytes[1] & MASKED != 0 {
            [bytes[header - 4], bytes[header - 3], bytes[header - 2], bytes[header - 1]]
        } else {
            [0; 4]
        };
        let whole = Payload { kept: length, seam: 0, dropped: 0, key, at: 0, within: true };
        let as_it_is = Step::Due { bytes, from: 0, until: header, payload: whole };
        if opcode >= CONTROL {
            // One that is too long to be one is an error, and stays that.
            let kept = length.min(CONTROL_MAX + 1);
            let until = write_length(&mut bytes, kept, key);
            return Step::Due { bytes, from: 0, until, payload: Payload { kept, dropped: length - kept, ..whole } };
        }
        if opcode != CONTINUATION {
            (self.passed, self.cut) = (0, false);
        }
        if self.cut {
            self.cut = !fin;
            return Step::Payload(Payload { kept: 0, dropped: length, ..whole });
        }
        if self.passed.saturating_add(length) <= self.most {
            self.passed += length;
            return as_it_is;
        }
        let seam = length.min(SEAM as u64);
        let kept = (self.most - self.passed).min(length - seam);
        // Nothing more fits, not even a frame that goes on with no message.
        (self.passed, self.cut) = (self.most, !fin);
        bytes[0] |= FIN;
        let until = write_length(&mut bytes, kept + seam, key);
        Step::Due { bytes, from: 0, until, payload: Payload { kept, seam, dropped: length - kept - seam, ..whole } }
    }
}

impl Step {
    fn new() -> Self {
        Self::Header { bytes: [0; HEADER_MAX], have: 0 }
    }
}

impl Payload {
    fn is_over(&self) -> bool {
        self.kept == 0 && self.seam == 0 && self.dropped == 0
    }

    fn pass(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize) {
        if self.kept > 0 {
            let count = input.len().min(output.len()).min(usize::try_from(self.kept).unwrap_or(usize::MAX));
            output[..count].copy_from_slice(&input[..count]);
            self.kept -= count as u64;
            self.at = (self.at + count) % self.key.len();
            return (count, count);
        }
        if self.seam > 0 {
            let (Some(next), Some(to)) = (input.first(), output.first_mut()) else { return (0, 0) };
            let key = self.key[self.at];
            // Bytes of a character behind its first one are 10xxxxxx.
            self.within &= (next ^ key) & 0xc0 == 0x80;
            *to = if self.within { *next } else { b' ' ^ key };
            self.seam -= 1;
            self.at = (self.at + 1) % self.key.len();
            return (1, 1);
        }
        let count = input.len().min(usize::try_from(self.dropped).unwrap_or(usize::MAX));
        self.dropped -= count as u64;
        (count, 0)
    }
}

/// Bytes of a header of which these have come; as far as they tell.
fn header_len(bytes: &[u8]) -> usize {
    let Some(second) = bytes.get(1) else { return 2 };
    let length = match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & MASKED != 0 { 4 } else { 0 }
}

/// Of the payload, in bytes.
fn length(header: &[u8; HEADER_MAX]) -> u64 {
    match header[1] & !MASKED {
        126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
        127 => u64::from_be_bytes(std::array::from_fn(|at| header[2 + at])),
        length => u64::from(length),
    }
}

/// Writes another length and the key behind it; how long the header is with them. A length may not be longer than it need be.
fn write_length(header: &mut [u8; HEADER_MAX], length: u64, key: [u8; 4]) -> usize {
    let masked = header[1] & MASKED;
    let mut end = 2;
    header[1] = masked
        | match length {
            0..126 => length as u8,
            126..=0xffff => {
                header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                end = 4;
                126
            }
            _ => {
                header[2..10].copy_from_slice(&length.to_be_bytes());
                end = 10;
                127
            }
        };
    if masked != 0 {
        header[end..end + 4].copy_from_slice(&key);
        end += 4;
    }
    end
}

/// A connection that is read through an [`Abridger`], and written to as it is.
#[derive(Debug)]
pub struct Abridged<S> {
    stream: BufReader<S>,
    abridger: Abridger,
}

impl<S: AsyncRead> Abridged<S> {
    pub(super) fn new(stream: S, most: usize) -> Self {
        Self { stream: BufReader::with_capacity(READ, stream), abridger: Abridger::new(most) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Abridged<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, abridger } = self.get_mut();
        loop {
            let input = ready!(Pin::new(&mut *stream).poll_fill_buf(cx))?;
            let over = input.is_empty();
            let (taken, written) = abridger.pass(input, buf.initialize_unfilled());
            Pin::new(&mut *stream).consume(taken);
            buf.advance(written);
            if written > 0 || over || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Abridged<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
