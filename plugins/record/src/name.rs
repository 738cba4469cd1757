//! Where recordings lie: a template from the configuration, filled with names of which nothing reaches a path raw. Pure.

use std::time::{Duration, SystemTime};

#[cfg(test)]
mod tests;

/// Longest text in place of a placeholder, in bytes. File systems take 255 for a whole name.
const FILLED_BYTES_MAX: usize = 64;

/// Most directories of a template.
const DEPTH_MAX: usize = 8;

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "it needs a directory and a file, as in \"{{room}}/{{time}}/{{participant}}\", and at most {DEPTH_MAX} directories"
    )]
    Depth,
    #[error("{0:?} has characters other than A-Z, a-z, 0-9, \".\", \"_\", \"-\", or begins with \".\"")]
    Literal(String),
    #[error(
        "{{{0}}} cannot stand there; directories have room, time and leg, the file name and participant and source too"
    )]
    Placeholder(String),
    #[error("the file's name needs {{participant}}")]
    NoParticipant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Room,
    Time,
    Leg,
    Name,
    Participant,
    Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Filled(Placeholder),
}

/// Directories of a recording below the root, and the name of a file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    directories: Vec<Vec<Piece>>,
    file: Vec<Piece>,
}

/// What directories are named after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Directories<'a> {
    pub(crate) room: &'a str,
    pub(crate) leg: &'a str,
    pub(crate) started: SystemTime,
}

/// What files are named after as well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) name: &'a str,
    pub(crate) participant: &'a str,
    pub(crate) source: &'a str,
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts: Vec<&str> = text.split('/').collect();
        let file = parts.pop().filter(|_| (1..=DEPTH_MAX).contains(&parts.len())).ok_or(TemplateError::Depth)?;
        let directories = parts.into_iter().map(|part| pieces(part, false)).collect::<Result<_, _>>()?;
        let file = pieces(file, true)?;
        if !file.contains(&Piece::Filled(Placeholder::Participant)) {
            return Err(TemplateError::NoParticipant);
        }
        Ok(Self { directories, file })
    }
}

fn pieces(part: &str, file: bool) -> Result<Vec<Piece>, TemplateError> {
    let (mut pieces, mut rest) = (Vec::new(), part);
    if part.is_empty() || part.starts_with('.') {
        return Err(TemplateError::Literal(part.into()));
    }
    while !rest.is_empty() {
        let (literal, after) = rest.split_once('{').map_or((rest, None), |(literal, after)| (literal, Some(after)));
        if !literal.bytes().all(is_plain) {
            return Err(TemplateError::Literal(literal.into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        let Some(after) = after else { break };
        let (word, after) = after.split_once('}').ok_or_else(|| TemplateError::Literal(rest.into()))?;
        let placeholder = match (word, file) {
            ("room", _) => Placeholder::Room,
            ("time", _) => Placeholder::Time,
            ("leg", _) => Placeholder::Leg,
            ("name", true) => Placeholder::Name,
            ("participant", true) => Placeholder::Participant,
            ("source", true) => Placeholder::Source,
            _ => return Err(TemplateError::Placeholder(word.into())),
        };
        pieces.push(Piece::Filled(placeholder));
        rest = after;
    }
    Ok(pieces)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether a directory or a file, without its ending, can have this name.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && !text.starts_with('.') && text.chars().all(plain)
}

impl Template {
    /// Names of the directories, from the root down.
    pub(crate) fn directories(&self, of: Directories<'_>) -> Vec<String> {
        self.directories.iter().map(|pieces| fill(pieces, of, None)).collect()
    }

    /// Name of a file, without its ending.
    pub(crate) fn file(&self, of: Directories<'_>, file: Files<'_>) -> String {
        fill(&self.file, of, Some(file))
    }
}

fn fill(pieces: &[Piece], of: Directories<'_>, file: Option<Files<'_>>) -> String {
    let text = |pick: fn(Files<'_>) -> &str| sanitised(file.map_or("", pick));
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Filled(Placeholder::Room) => filled.push_str(&sanitised(of.room)),
            Piece::Filled(Placeholder::Time) => filled.push_str(&compact(of.started)),
            Piece::Filled(Placeholder::Leg) => filled.push_str(&sanitised(of.leg)),
            Piece::Filled(Placeholder::Name) => filled.push_str(&text(|file| file.name)),
            Piece::Filled(Placeholder::Participant) => filled.push_str(&text(|file| file.participant)),
            Piece::Filled(Placeholder::Source) => filled.push_str(&text(|file| file.source)),
        }
    }
    filled
}

/// Letters, digits, "-" and inner "." as they are; anything else, and what comes in runs, becomes one "_". Never empty.
fn sanitised(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let keeps = c.is_alphanumeric() || c == '-' || (c == '.' && out.ends_with(char::is_alphanumeric));
        let c = if keeps { c } else { '_' };
        if out.len() + c.len_utf8() > FILLED_BYTES_MAX {
            break;
        }
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    let trimmed = out.trim_end_matches(['.', '_']);
    if trimmed.is_empty() { "_".into() } else { trimmed.into() }
}

/// Date and time in UTC: year, month, day, hour, minute, second, millisecond.
fn civil(time: SystemTime) -> [u64; 7] {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years are counted from March of year 0, so that the leap day is the last; 146,097 days are 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    [year, month, day, seconds / 3_600, seconds / 60 % 60, seconds % 60, since.subsec_millis().into()]
}

fn compact(time: SystemTime) -> String {
    let [year, month, day, hour, minute, second, _] = civil(time);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// As RFC 3339 has it.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let [year, month, day, hour, minute, second, ms] = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}
