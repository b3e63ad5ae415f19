//! Files that hold secrets or traces of patients: for their owner alone, whole or not there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The largest file of secrets, in bytes: keys are far smaller.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// How many temporary names are tried for a file that comes in.
const TEMPORARY_NAMES_MAX: u32 = 100;

/// Reads a file of secrets.
///
/// # Errors
/// A file that anyone but its owner may open, that is no plain file, or larger than 64 KiB.
pub(crate) fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for its writer.
    let is_plain = fs::metadata(path)?.is_file();
    let invalid = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    if !is_plain {
        return invalid("not a plain file");
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o177 != 0 {
        let why = format!("its mode is {mode:04o}, so others may read the secret: chmod 600 it");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    if metadata.len() > SECRET_BYTES_MAX {
        return invalid("larger than 64 KiB: not a key");
    }
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes that a secret's hexadecimal digits stand for.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let (pairs, rest) = pairs.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
}

/// Makes an empty file for a library to fill, if it is not there, so that its owner alone can open
/// it; says whether it is empty. The library's further files stand beside it, so nobody else may write to
/// its folder.
///
/// # Errors
/// A file that others may open, a folder that others may write to, or what cannot be made.
pub(crate) fn prepare(path: &Path) -> io::Result<bool> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    make_folder(folder)?;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let why =
            format!("the mode of its folder is {mode:04o}, so others may replace it: chmod 700");
        return refuse(why);
    }
    match for_writing().create_new(true).open(path) {
        Ok(file) => file.sync_all().and_then(|()| sync_folder(folder)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(path)?;
            let mode = metadata.permissions().mode() & 0o777;
            match mode & 0o177 {
                0 => Ok(metadata.len() == 0),
                _ => refuse(format!("its mode is {mode:04o}, so others may read it: chmod 600 it")),
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes a folder, and those above it, that its owner alone can open; one that is there stays as it
/// is.
///
/// # Errors
/// A folder that cannot be made.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder as `make_folder` does; one that is there must be empty.
///
/// # Errors
/// A folder that holds something, or cannot be made.
pub(crate) fn make_empty_folder(path: &Path) -> io::Result<()> {
    make_folder(path)?;
    if fs::read_dir(path)?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty"));
    }
    Ok(())
}

/// How a file is opened for writing that its owner alone can read; whether it may be there already is
/// for the caller to say.
pub(crate) fn for_writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Writes a file that is not there yet, and brings it to disk.
///
/// # Errors
/// A file of that name, or a disk that does not take it.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = for_writing().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// As `write_new`, but a part of the file is never there under its name, however the writer is
/// stopped; `name` is one that no other writer uses.
///
/// # Errors
/// A file of that name, or a disk that does not take it.
pub(crate) fn write_new_whole(path: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut incoming = path.as_os_str().to_owned();
    incoming.push(format!(".{name}.incoming"));
    let incoming = Path::new(&incoming);
    write_new(incoming, bytes)?;
    let linked = fs::hard_link(incoming, path);
    fs::remove_file(incoming)?;
    linked
}

/// Makes a file that must not be there yet, to be added to.
///
/// # Errors
/// A file of that name, or a folder that takes none.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file so that a reader sees the old content or the new, never a part, also after a loss of
/// power.
///
/// # Errors
/// A disk that does not take it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(for_writing(), path, bytes)
}

/// As `write_atomically`, but others may read the file, as far as the user's mask lets them: for what
/// anybody may see.
///
/// # Errors
/// A disk that does not take it.
pub(crate) fn write_atomically_for_all(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    write_by(options, path, bytes)
}

fn write_by(mut options: OpenOptions, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let incoming = path.with_extension("incoming");
    let mut file = options.create(true).truncate(true).open(&incoming)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    fs::rename(&incoming, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// A file that is written bit by bit, for its owner alone: it gets its name once it is whole, and is
/// removed on drop where that did not come.
#[derive(Debug)]
pub(crate) struct Incoming {
    path: PathBuf,
    temporary: PathBuf,
    is_kept: bool,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing can be done about a failure here; the file is 0600 and named as temporary.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

impl Incoming {
    /// A new file beside `path`, which stays as it is until `keep`.
    ///
    /// # Errors
    /// A path without a name, or a folder that takes no file.
    pub(crate) fn create(path: &Path) -> io::Result<(Incoming, File)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let mut options = for_writing();
        options.create_new(true);
        let process = std::process::id();
        for attempt in 0..TEMPORARY_NAMES_MAX {
            let temporary = path.with_file_name(format!(".{name}.{process}.{attempt}.tmp"));
            match options.open(&temporary) {
                Ok(file) => {
                    let path = path.to_owned();
                    return Ok((Incoming { path, temporary, is_kept: false }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Brings the file, to which all is written, to disk under its name.
    ///
    /// # Errors
    /// A disk that does not take it.
    pub(crate) fn keep(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.is_kept = true;
        // The new name must outlive a power cut too.
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

/// Brings the names in a folder to disk.
///
/// # Errors
/// A disk that does not take them.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // The folder of a bare file name is the one we are in.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_atomically(&path, b"secret").unwrap();
        assert_eq!(read_secret(&path).unwrap(), b"secret");
        for (mode, is_taken) in
            [(0o400, true), (0o600, true), (0o640, false), (0o644, false), (0o700, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = read_secret(&path);
            assert_eq!(read.is_ok(), is_taken, "{mode:o}");
            let said = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(is_taken || said.contains("chmod 600"), "{said}");
        }
        assert!(read_secret(folder.path()).is_err(), "a folder");
    }

    #[test]
    fn a_file_that_comes_in_replaces_the_old_one_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, b"old").unwrap();
        let (incoming, mut file) = Incoming::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(incoming);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        let (incoming, mut file) = Incoming::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        incoming.keep(&file).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Incoming::create(Path::new("/")).is_err());
    }

    #[test]
    fn a_new_file_is_whole_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new_whole(&path, "a", b"one").unwrap();
        let again = write_new_whole(&path, "b", b"two").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_secret(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no further copy");
        let empty = folder.path().join("store");
        assert!(prepare(&empty).unwrap() && prepare(&empty).unwrap(), "empty still");
        assert!(!prepare(&path).unwrap());
    }
}
