//! The files of one ended broadcast: which of a directory's are its own, how they are ended, measured and deleted.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use super::{Ended, Run};
use crate::INDEX;
use crate::disk::place;
use crate::playlist::END;
use crate::window::Rendition;

/// A playlist, or `video-{run}-init.mp4` and `video-{run}-12.m4s`.
pub(super) fn is_of(file: &str, run: Run) -> bool {
    let is_playlist = file == INDEX || Rendition::ALL.into_iter().any(|rendition| rendition.playlist() == file);
    is_playlist || is_media(file, run)
}

fn is_media(file: &str, run: Run) -> bool {
    Rendition::ALL.into_iter().any(|rendition| {
        let rest = file.strip_prefix(&format!("{}-{}-", rendition.name(), run.name()));
        let is_number = |text: &str| text.parse::<u64>().is_ok_and(|number| number.to_string() == text);
        rest.is_some_and(|rest| rest == "init.mp4" || rest.strip_suffix(".m4s").is_some_and(is_number))
    })
}

/// One that was not written to its end.
fn is_part(file: &str, run: Run) -> bool {
    file.strip_prefix('.').and_then(|file| file.strip_suffix(".part")).is_some_and(|file| is_of(file, run))
}

/// It bears the marks of a broadcast: media of its name, or nothing at all yet. A directory of somebody else may well be called
/// like one.
pub(super) fn is_run(directory: &Path, run: Run) -> io::Result<bool> {
    let names = names(directory)?;
    Ok(names.is_empty() || names.iter().any(|name| is_media(name, run)))
}

/// There is an index, which is written last.
pub(super) fn was_offered(directory: &Path) -> io::Result<bool> {
    directory.join(INDEX).try_exists()
}

/// Gives playlists that were cut off their end; what a dying server wrote of a last line is taken away.
pub(super) fn finish(directory: &Path) -> io::Result<()> {
    let index = fs::read_to_string(directory.join(INDEX))?;
    for playlist in Rendition::ALL.map(Rendition::playlist).into_iter().filter(|playlist| index.contains(playlist)) {
        let text = fs::read_to_string(directory.join(playlist))?;
        if text.ends_with(END) {
            continue;
        }
        let whole = text.rfind(".m4s\n").map_or(0, |at| at + ".m4s\n".len());
        place(directory, playlist, format!("{}{END}", &text[..whole]).as_bytes())?;
    }
    Ok(())
}

/// When it ended and what it takes.
pub(super) fn measure(directory: &Path) -> io::Result<Ended> {
    let mut ended = Ended { at: SystemTime::UNIX_EPOCH, bytes: 0 };
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        ended.bytes += metadata.len();
        // A playlist may have been finished long after.
        if entry.path().extension().is_some_and(|extension| extension == "m4s") {
            ended.at = ended.at.max(metadata.modified()?);
        }
    }
    Ok(ended)
}

/// Deletes what the broadcast wrote, and the directory where nothing else is in it.
pub(super) fn remove(directory: &Path, run: Run) -> io::Result<()> {
    // Cut short, it is no longer offered, and the next server does the rest.
    match fs::remove_file(directory.join(INDEX)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // Media last: by them it is known for a broadcast.
    let mut ours: Vec<_> =
        names(directory)?.into_iter().filter(|name| is_of(name, run) || is_part(name, run)).collect();
    ours.sort_by_key(|name| is_media(name, run));
    ours.iter().try_for_each(|name| fs::remove_file(directory.join(name)))?;
    fs::remove_dir(directory)
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
