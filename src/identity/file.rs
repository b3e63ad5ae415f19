//! Files of secrets and of rights: read with a limit, refused where others could read or change
//! them, and read again when their content changes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: not a plain file")]
    NotPlain { path: PathBuf },
    #[error("{path}: larger than {} KiB", .bytes_max / 1024)]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("{path}: its mode {mode:03o} lets others read a secret; run `chmod 600 {path}`")]
    Readable { path: PathBuf, mode: u32 },
    #[error("{path}: its mode {mode:03o} lets everybody change who may; run `chmod o-w {path}`")]
    Writable { path: PathBuf, mode: u32 },
}

/// Whom a file's mode must keep out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Its owner alone may read it: mode 0600 or 0400.
    Secret,
    /// All may read it; not everybody may change it.
    Rights,
}

/// A file of this room, and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    pub(super) path: PathBuf,
    pub(super) guard: Guard,
    pub(super) bytes_max: u64,
}

/// What was read; wiped when dropped, for one of the files is a private key.
pub(super) type Content = SecretSlice<u8>;

impl Guarded {
    pub(super) fn new(path: &Path, guard: Guard, bytes_max: u64) -> Guarded {
        Guarded { path: path.to_owned(), guard, bytes_max }
    }

    fn read(&self) -> Result<Content, FileError> {
        let Guarded { path, guard, bytes_max } = self;
        let io = |source| FileError::Io { path: path.clone(), source };
        // Before it is opened: to open a pipe waits for its other end.
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(FileError::NotPlain { path: path.clone() });
        }
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let mode = metadata.permissions().mode() & 0o777;
        if *guard == Guard::Secret && mode != 0o600 && mode != 0o400 {
            return Err(FileError::Readable { path: path.clone(), mode });
        }
        if *guard == Guard::Rights && mode & 0o002 != 0 {
            return Err(FileError::Writable { path: path.clone(), mode });
        }
        // As large as needed from the start: a buffer that grows leaves copies behind.
        let length = metadata.len().min(*bytes_max);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > *bytes_max {
            return Err(FileError::TooLarge { path: path.clone(), bytes_max: *bytes_max });
        }
        Ok(bytes.into())
    }
}

/// What some files held at one moment, in the order in which they were named.
pub(super) type Contents = std::vec::IntoIter<Result<Content, FileError>>;

/// The next of the contents.
///
/// # Errors
/// The file was not read.
pub(super) fn next(contents: &mut Contents) -> Result<Content, FileError> {
    // Files and makers are named side by side; a maker that asks for more gets nothing.
    contents.next().unwrap_or_else(|| Ok(Vec::new().into()))
}

/// A value made of files, which goes on as it was while they are at fault.
pub(super) struct Watched<T> {
    files: Vec<Guarded>,
    value: ArcSwap<T>,
    /// Of the content that was tried last, good or not: a fault is told once.
    tried: Mutex<[u8; 32]>,
}

impl<T> Watched<T> {
    /// Reads the files and makes the value.
    pub(super) fn open<E>(
        files: Vec<Guarded>,
        make: impl FnOnce(Contents) -> Result<T, E>,
    ) -> Result<Watched<T>, E> {
        let (contents, digest) = read(&files);
        let value = ArcSwap::from_pointee(make(contents)?);
        Ok(Watched { files, value, tried: Mutex::new(digest) })
    }

    /// A value of no files.
    pub(super) fn fixed(value: T) -> Watched<T> {
        let (_, digest) = read(&[]);
        Watched {
            files: Vec::new(),
            value: ArcSwap::from_pointee(value),
            tried: Mutex::new(digest),
        }
    }

    /// The value as it is now.
    pub(super) fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Makes the value again where the files are not what they were; `true` where it is a new one.
    ///
    /// # Errors
    /// The new files are at fault: the old value stays. Each fault is told once.
    pub(super) fn reload<E>(&self, make: impl FnOnce(Contents) -> Result<T, E>) -> Result<bool, E> {
        let (contents, digest) = read(&self.files);
        {
            let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            if *tried == digest {
                return Ok(false);
            }
            *tried = digest;
        }
        self.value.store(Arc::new(make(contents)?));
        Ok(true)
    }
}

/// The contents of the files, and a digest of them and of what is wrong with them.
fn read(files: &[Guarded]) -> (Contents, [u8; 32]) {
    let mut digest = Sha256::new();
    let contents: Vec<_> = files.iter().map(Guarded::read).collect();
    for content in &contents {
        match content {
            Ok(bytes) => {
                digest.update([1]);
                digest.update(Sha256::digest(bytes.expose_secret()));
            }
            Err(error) => {
                digest.update([0]);
                digest.update(Sha256::digest(error.to_string()));
            }
        }
    }
    (contents.into_iter(), digest.finalize().into())
}
