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
    /// Wall clock at the room clock's 0.
    pub(crate) started: SystemTime,
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

/// The playlist of one rendition; `other` is the one that EXT-X-RENDITION-REPORT tells of.
pub(crate) fn media(window: &Window, other: Option<&Window>, timing: &Timing) -> String {
    let mut text = String::with_capacity(4_096);
    let first = window.listed().next().map_or(0, |(number, _)| number);
    line(&mut text, format_args!("#EXTM3U"));
    line(&mut text, format_args!("#EXT-X-VERSION:9"));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", timing.target_seconds()));
    let (part, hold_back) = (timing.part.as_secs_f64(), timing.hold_back().as_secs_f64());
    line(&mut text, format_args!("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back:.3}"));
    line(&mut text, format_args!("#EXT-X-PART-INF:PART-TARGET={part:.3}"));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}\"", window.init_name()));

    let after = window.next().0;
    for (number, segment) in window.listed() {
        line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(timing.started + segment.start)));
        if number + SEGMENTS_WITH_PARTS > after && !window.ended {
            parts(&mut text, window, number, segment);
        }
        if let Some(whole) = &segment.whole {
            line(&mut text, format_args!("#EXTINF:{:.5},", whole.duration.as_secs_f64()));
            line(&mut text, format_args!("{}", window.segment_name(number)));
        }
    }
    if window.ended {
        line(&mut text, format_args!("#EXT-X-ENDLIST"));
        return text;
    }
    let hint = window.part_name(window.next());
    line(&mut text, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\""));
    if let Some(other) = other
        && let Some((number, part)) = other.newest()
    {
        let uri = other.rendition.playlist();
        line(&mut text, format_args!("#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={number},LAST-PART={part}"));
    }
    text
}

fn parts(text: &mut String, window: &Window, number: u64, segment: &Segment) {
    for (index, part) in segment.parts.iter().enumerate() {
        let (duration, name) = (part.duration.as_secs_f64(), window.part_name((number, index)));
        let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
        line(text, format_args!("#EXT-X-PART:DURATION={duration:.5},URI=\"{name}\"{independent}"));
    }
}

/// The same rendition for servers that only serve files: ended segments, no parts, nothing to wait for.
pub(crate) fn plain(window: &Window, timing: &Timing) -> String {
    let mut text = String::with_capacity(2_048);
    let first = window.listed().next().map_or(0, |(number, _)| number);
    line(&mut text, format_args!("#EXTM3U"));
    line(&mut text, format_args!("#EXT-X-VERSION:6"));
    line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", timing.target_seconds()));
    line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    line(&mut text, format_args!("#EXT-X-MAP:URI=\"{}\"", window.init_name()));
    for (number, segment) in window.listed() {
        let Some(whole) = &segment.whole else { continue };
        line(&mut text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(timing.started + segment.start)));
        line(&mut text, format_args!("#EXTINF:{:.5},", whole.duration.as_secs_f64()));
        line(&mut text, format_args!("{}", window.segment_name(number)));
    }
    if window.ended {
        line(&mut text, format_args!("#EXT-X-ENDLIST"));
    }
    text
}

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

/// `index.m3u8`: the picture with the sound as its audio group, or the sound alone.
pub(crate) fn multivariant(video: Option<(&Window, &Picture)>, audio: &Window) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
    let (sound_peak, sound_mean) = audio.bandwidth();
    let sound = Rendition::Audio.playlist();
    let Some((window, picture)) = video else {
        line(
            &mut text,
            format_args!("#EXT-X-STREAM-INF:BANDWIDTH={sound_peak},AVERAGE-BANDWIDTH={sound_mean},CODECS=\"{AAC_LC}\""),
        );
        line(&mut text, format_args!("{sound}"));
        return text;
    };
    let (peak, mean) = window.bandwidth();
    line(
        &mut text,
        format_args!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Everybody\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"{sound}\""
        ),
    );
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
    line(&mut text, format_args!("{}", Rendition::Video.playlist()));
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
