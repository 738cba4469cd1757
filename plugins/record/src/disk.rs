//! What a recording asks of the file system. There is one that does it, and tests have others, which are full, slow or gone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Each is done, and nothing more of it, when it returns.
pub(crate) trait Disk: Send {
    /// Makes one directory, and none above it.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    /// Makes a file that was not there.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }

    /// Appends where the file was written to last.
    fn write(&self, mut file: &File, data: &[u8]) -> io::Result<()> {
        file.write_all(data)
    }

    /// Brings a file's bytes and its length to the disk itself.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Brings the names in a directory to the disk itself: a file that is synced can be found again only then.
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// `to` is `from` from here on, or what it was.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// The machine's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine;

impl Disk for Machine {}
