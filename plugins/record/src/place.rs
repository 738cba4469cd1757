//! The directory of one recording, held by a lock for as long as it is written to: who has the lock may delete it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Disk;

#[cfg(test)]
mod tests;

/// Most files and directories whose names differ in a number alone.
const NAMESAKES_MAX: usize = 10_000;

/// How often a directory is made anew that somebody who tidied up took away in between.
const TAKEN_AWAY_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// Freed when it is dropped, or with the process.
    _lock: File,
}

impl Place {
    /// Makes a directory of its own below `root`, the last of `names` with a number where it is taken. All of them can be
    /// found again after a power loss.
    pub(crate) fn make(disk: &dyn Disk, root: &Path, names: &[String]) -> io::Result<Self> {
        let (last, above) = names.split_last().ok_or(ErrorKind::InvalidInput)?;
        let mut attempts = TAKEN_AWAY_MAX;
        loop {
            attempts -= 1;
            match Self::try_make(disk, root, above, last) {
                // A recording was deleted, and the directories above it, which were empty.
                Err(error) if error.kind() == ErrorKind::NotFound && attempts > 0 => {}
                made => return made,
            }
        }
    }

    fn try_make(disk: &dyn Disk, root: &Path, above: &[String], last: &str) -> io::Result<Self> {
        make_root(disk, root)?;
        let mut parent = root.to_owned();
        for name in above {
            let path = parent.join(name);
            match disk.make_directory(&path) {
                Ok(()) => disk.sync_directory(&parent)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            parent = path;
        }
        let path = free_name(|suffix| {
            let path = parent.join(format!("{last}{suffix}"));
            disk.make_directory(&path).map(|()| path)
        })?;
        let place = Self::lock(path)?;
        disk.sync_directory(&parent)?;
        Ok(place)
    }

    /// Takes a directory that is there; `WouldBlock` where somebody has it.
    pub(crate) fn lock(path: PathBuf) -> io::Result<Self> {
        let lock = File::open(&path)?;
        lock.try_lock()?;
        // What was opened may have been deleted since, and another recording's directory may have its name.
        let (ours, there) = (lock.metadata()?, fs::symlink_metadata(&path)?);
        if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new file `{name}{number}.{extension}` that begins with `head`. When it returns, both are on the disk itself; where it fails,
    /// there is no such file.
    pub(crate) fn create(
        &self,
        disk: &dyn Disk,
        name: &str,
        extension: &str,
        head: &[u8],
    ) -> io::Result<(String, File)> {
        let (name, file) = free_name(|suffix| {
            let name = format!("{name}{suffix}.{extension}");
            disk.create(&self.path.join(&name)).map(|file| (name, file))
        })?;
        let begun =
            disk.write(&file, head).and_then(|()| disk.sync(&file)).and_then(|()| disk.sync_directory(&self.path));
        match begun {
            Ok(()) => Ok((name, file)),
            Err(error) => {
                fs::remove_file(self.path.join(name))?;
                Err(error)
            }
        }
    }

    /// Deletes the directory with what is in it, and those above it, up to `root`, that are empty then.
    pub(crate) fn remove(self, root: &Path) -> io::Result<()> {
        // Whoever looks from here on finds it whole or not at all; should this be cut short, `tidy` does the rest.
        let gone = self.path.with_file_name(gone_name());
        fs::rename(&self.path, &gone)?;
        fs::remove_dir_all(&gone)?;
        self.remove_above(root);
        Ok(())
    }

    /// Deletes the directory where it is empty but for `sidecar`.
    pub(crate) fn remove_empty(self, root: &Path, sidecar: &str) -> io::Result<()> {
        let strangers = fs::read_dir(&self.path)?.flatten().filter(|entry| entry.file_name() != sidecar).count();
        if strangers > 0 {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.remove(root)
    }

    fn remove_above(&self, root: &Path) {
        let above = self.path.ancestors().skip(1).take_while(|path| *path != root && path.starts_with(root));
        for path in above {
            if fs::remove_dir(path).is_err() {
                break;
            }
        }
    }
}

/// What the directory of a recording is called while it is deleted: no recording's name begins with a ".", and nobody else's is
/// this one.
fn gone_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{GONE}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

const GONE: &str = ".gone-";

/// Whether a directory is what is left of a recording that was being deleted.
pub(crate) fn is_gone(name: &str) -> bool {
    name.starts_with(GONE)
}

fn make_root(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
    for path in missing.into_iter().rev() {
        match disk.make_directory(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        disk.sync_directory(above.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// The first of "", "-2", "-3", … for which `make` does not find something there already.
fn free_name<T>(make: impl Fn(&str) -> io::Result<T>) -> io::Result<T> {
    for number in 1..=NAMESAKES_MAX {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        match make(&suffix) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
