//! The text of playlists (RFC 8216bis). Pure.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::window::{Rendition, Segment, Window};

#[cfg(test)]
mod tests;

/// What all media playlists of a broadcast have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) part: Duration,
    /// Longest that a segment gets.
    pub(crate) target: Duration,
    /// How much later than the picture the sound of the same moment is published.
    pub(crate) sound_delay: Duration,
}

impl Timing {
    /// EXT-X-TARGETDURATION: whole seconds, the same in all renditions, fixed from the start.
    pub(crate) fn target_seconds(&self) -> u64 {
        self.target.as_nanos().div_ceil(1_000_000_000).max(1) as u64
    }

    /// PART-HOLD-BACK: three parts is the least (RFC 8216bis section 4.4.3.8); the sound's delay comes on top, since players
    /// measure from the end of the picture's playlist and need both.
    fn hold_back(&self) -> Duration {
        3 * self.part + self.sound_delay
    }
}

/// Parts are listed in this many segments at the end, the one that is open or about to be among them (RFC 8216bis section
/// 4.4.4.9 has three target durations). Older ones are loaded whole.
const SEGMENTS_WITH_PARTS: u64 = 3;

/// A delta update leaves out what is farther from the end than this many target durations: the least that RFC 8216bis section
/// 4.4.3.8 allows.
const SKIP_TARGETS: u64 = 6;

/// Each so many segments have their date, and so do the first one of a playlist and those with parts: in between, dates follow
/// from durations.
const DATED_EVERY: u64 = 10;

/// How much of a playlist is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    /// Without what the player has from an earlier one (EXT-X-SKIP, RFC 8216bis section 4.4.5.2).
    Delta,
}

/// The playlist of one rendition; `others` are those that EXT-X-RENDITION-REPORT tells of.
pub(crate) fn media<'a>(
    window: &Window,
    others: impl IntoIterator<Item = &'a Window>,
    timing: &Timing,
    extent: Extent,
) -> String {
    let mut text = String::with_capacity(4_096);
    let first = window.listed().next().map_or(window.next().0, |(number, _)| number);
    let (target, part) = (timing.target_seconds(), timing.part.as_secs_f64());
    line(&mut text, format_args!("#EXTM3U"));
    line(&mut text, format_args!("#EXT-X-VERSION:9"));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{target}"));
    if !window.ended {
        let hold_back = timing.hold_back().as_secs_f64();
        let boundary = SKIP_TARGETS * target;
        line(
            &mut text,
            format_args!(
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={boundary}.0,PART-HOLD-BACK={hold_back:.3}"
            ),
        );
        line(&mut text, format_args!("#EXT-X-PART-INF:PART-TARGET={part:.3}"));
    }
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    let skipped = match extent {
        Extent::Full => 0,
        Extent::Delta => skippable(window, Duration::from_secs(SKIP_TARGETS * target)),
    };
    if skipped > 0 {
        line(&mut text, format_args!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"));
    }
    line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}\"", window.init_name()));

    let after = window.next().0;
    for (index, (number, segment)) in window.listed().enumerate().skip(skipped) {
        let has_parts = number + SEGMENTS_WITH_PARTS > after && !window.ended;
        if index == skipped || has_parts || number.is_multiple_of(DATED_EVERY) {
            date(&mut text, window, segment);
        }
        if has_parts {
            parts(&mut text, window, number, segment);
        }
        if let Some(whole) = &segment.whole {
            text.push_str(&whole.entry);
        }
    }
    if window.ended {
        text.push_str(END);
        return text;
    }
    let hint = window.part_name(window.next());
    line(&mut text, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\""));
    for other in others {
        let Some((number, part)) = other.newest() else { continue };
        let uri = other.rendition.playlist();
        line(&mut text, format_args!("#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={number},LAST-PART={part}"));
    }
    text
}

/// How many segments at the beginning lie farther from the end than `boundary`.
fn skippable(window: &Window, boundary: Duration) -> usize {
    let mut left = window.listed().len();
    let mut from_end = Duration::ZERO;
    for (_, segment) in window.listed().rev() {
        from_end += segment
            .whole
            .as_ref()
            .map_or_else(|| segment.parts.iter().map(|part| part.duration).sum(), |whole| whole.duration);
        left -= 1;
        if from_end >= boundary {
            return left;
        }
    }
    0
}

/// The lines of an ended segment.
pub(crate) fn entry(duration: Duration, name: &str) -> String {
    format!("#EXTINF:{:.5},\n{name}\n", duration.as_secs_f64())
}

fn date(text: &mut String, window: &Window, segment: &Segment) {
    line(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(window.date(segment))));
}

fn parts(text: &mut String, window: &Window, number: u64, segment: &Segment) {
    for (index, part) in segment.parts.iter().enumerate() {
        let (duration, name) = (part.duration.as_secs_f64(), window.part_name((number, index)));
        let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
        line(text, format_args!("#EXT-X-PART:DURATION={duration:.5},URI=\"{name}\"{independent}"));
    }
}

/// The same rendition for servers that only serve files, from segment `from` on: ended segments, no parts, nothing to wait for.
/// Grows by what [`added`] gives, until [`END`].
pub(crate) fn plain(window: &Window, timing: &Timing, from: u64) -> String {
    let mut text = String::with_capacity(2_048);
    let first = window.listed().map(|(number, _)| number).find(|number| *number >= from).unwrap_or(window.next().0);
    line(&mut text, format_args!("#EXTM3U"));
    line(&mut text, format_args!("#EXT-X-VERSION:6"));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", timing.target_seconds()));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}\"", window.init_name()));
    for (number, segment) in window.listed().filter(|(number, _)| *number >= first) {
        if number == first || number.is_multiple_of(DATED_EVERY) {
            date(&mut text, window, segment);
        }
        text.extend(segment.whole.as_ref().map(|whole| whole.entry.as_str()));
    }
    if window.ended {
        text.push_str(END);
    }
    text
}

/// What the newest ended segment adds to [`plain`].
pub(crate) fn added(window: &Window, newest: u64) -> String {
    let mut text = String::with_capacity(96);
    for (number, segment) in window.listed().rev().take(2).filter(|(number, _)| *number == newest) {
        if number.is_multiple_of(DATED_EVERY) {
            date(&mut text, window, segment);
        }
        text.extend(segment.whole.as_ref().map(|whole| whole.entry.as_str()));
    }
    text
}

/// The last line of a playlist to which nothing will be added (RFC 8216 section 4.3.3.4).
pub const END: &str = "#EXT-X-ENDLIST\n";

/// What the multivariant playlist says of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// RFC 6381, `avc3.42c01f`.
    pub(crate) codec: String,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// CODECS of the sound.
const AAC_LC: &str = "mp4a.40.2";

/// `index.m3u8`: the picture's rungs, the largest first, with the sound as their audio group, or the sound alone.
pub(crate) fn multivariant(rungs: &[(&Window, &Picture)], audio: &Window) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
    let (sound_peak, sound_mean) = audio.bandwidth();
    let sound = Rendition::Audio.playlist();
    if rungs.is_empty() {
        line(
            &mut text,
            format_args!("#EXT-X-STREAM-INF:BANDWIDTH={sound_peak},AVERAGE-BANDWIDTH={sound_mean},CODECS=\"{AAC_LC}\""),
        );
        line(&mut text, format_args!("{sound}"));
        return text;
    }
    line(
        &mut text,
        format_args!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Everybody\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{sound}\""
        ),
    );
    for (window, picture) in rungs {
        let (peak, mean) = window.bandwidth();
        line(
            &mut text,
            format_args!(
                "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{},{AAC_LC}\",RESOLUTION={}x{},FRAME-RATE={:.3},AUDIO=\"sound\"",
                peak + sound_peak,
                mean + sound_mean,
                picture.codec,
                picture.width,
                picture.height,
                window.sample_rate(),
            ),
        );
        line(&mut text, format_args!("{}", window.rendition.playlist()));
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes everything");
    text.push('\n');
}

/// ISO 8601 in UTC with milliseconds, `2026-11-22T09:00:00.000Z`.
fn date_time(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Years are counted from March, so that the leap
/// day is the last of its year, in eras of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
