//! `Spill`: the facts of one file, packed and sorted into shards, in memory or in a file.
//!
//! A spill is a row of blocks and a footer. A block holds facts of one shard, each as its length, the
//! hash of its patient's id and its bytes in postcard's format, and is packed with zstd. The footer
//! says where each block lies and what else the file told. A spill file gets its name when it is
//! whole and on disk, so that one that has its name can be trusted.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::import::fact::{Content, Item, Kind};
use crate::import::ids::patient_hash;
use crate::import::input::InputFile;
use crate::import::{Counts, ImportError};
use crate::record::{Code, Time};

/// About how much of an export, unpacked, makes one shard.
const SHARD_BYTES: u64 = 16 << 20;
/// How much larger packed exports are than their files, about.
const PACKED_FACTOR: u64 = 16;
const SHARDS_MAX: u64 = 4_096;
/// The blocks of all shards together that a file fills at a time.
const BUFFERS_BYTES: usize = 8 << 20;
const BLOCK_BYTES_MAX: usize = 64 << 10;
const BLOCK_BYTES_MIN: usize = 4 << 10;
/// The largest block: one with the longest line and its copies of ids.
const FACT_BYTES_MAX: usize = 256 << 20;
const ZSTD_LEVEL: i32 = 1;
/// What all spills together may take up in memory.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
const MAGIC: &[u8; 8] = b"PRODRSP2";

/// How many shards the export is sorted into: a power of two. Nothing but memory depends on it.
pub(super) fn shards(files: &[InputFile]) -> u32 {
    let unpacked = |file: &InputFile| {
        let is_packed = [".gz", ".zst", ".parquet"].iter().any(|end| file.name.ends_with(end));
        file.bytes.saturating_mul(if is_packed { PACKED_FACTOR } else { 1 })
    };
    let bytes = files.iter().map(unpacked).fold(0, u64::saturating_add);
    (bytes / SHARD_BYTES).clamp(1, SHARDS_MAX).next_power_of_two() as u32
}

/// A fact as it is kept; what went wrong with its fields was counted when it was read.
#[derive(Serialize)]
struct Stored<'a> {
    patient: &'a str,
    line: u64,
    kind: Kind,
    id: Option<&'a str>,
    updated: Option<Time>,
    content: &'a Content,
}

#[derive(Deserialize)]
struct Restored {
    patient: String,
    line: u64,
    kind: Kind,
    id: Option<String>,
    updated: Option<Time>,
    content: Content,
}

/// Where a block lies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Block {
    shard: u32,
    offset: u64,
    packed_bytes: u32,
    bytes: u32,
}

/// What a file told beside its facts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub counts: Counts,
    pub medications: Vec<(String, Code)>,
    blocks: Vec<Block>,
}

/// What all spills in memory take up, so that an export too large for it ends with a word.
static KEPT_BYTES: AtomicU64 = AtomicU64::new(0);

/// Packed blocks in memory.
#[derive(Debug, Default)]
struct Kept(Vec<u8>);

impl Kept {
    fn push(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        let more = bytes.len() as u64;
        if KEPT_BYTES.fetch_add(more, Ordering::Relaxed) + more > MEMORY_BYTES_MAX {
            KEPT_BYTES.fetch_sub(more, Ordering::Relaxed);
            return Err(ImportError::NeedsWork);
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT_BYTES.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Store {
    Memory(Kept),
    Disk(File, PathBuf),
}

/// The facts of one file.
#[derive(Debug)]
pub(super) struct Spill {
    /// The number of the file.
    pub number: usize,
    pub told: Told,
    store: Store,
}

enum Target {
    Memory(Kept),
    /// The file under the name it has until it is whole, and the name it gets then.
    Disk {
        file: BufWriter<File>,
        part: PathBuf,
        whole: PathBuf,
    },
}

/// Writes a `Spill`.
pub(super) struct SpillWriter {
    number: usize,
    target: Target,
    written_bytes: u64,
    blocks: Vec<Block>,
    /// For each shard what is not yet packed.
    buffers: Vec<Vec<u8>>,
    block_bytes: usize,
    /// Lines of one patient often stand together: the last id need not be hashed again.
    last: (String, u64),
    fact: Vec<u8>,
}

impl SpillWriter {
    pub(super) fn in_memory(number: usize, shards: u32) -> SpillWriter {
        SpillWriter::new(number, shards, Target::Memory(Kept::default()))
    }

    /// Writes to `part`, which becomes `whole`.
    pub(super) fn on_disk(number: usize, shards: u32, file: File, names: [PathBuf; 2]) -> Self {
        let [part, whole] = names;
        SpillWriter::new(number, shards, Target::Disk { file: BufWriter::new(file), part, whole })
    }

    fn new(number: usize, shards: u32, target: Target) -> SpillWriter {
        let count = shards.max(1) as usize;
        let block_bytes = (BUFFERS_BYTES / count).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        SpillWriter {
            number,
            target,
            written_bytes: 0,
            blocks: Vec::new(),
            buffers: vec![Vec::new(); count],
            block_bytes,
            last: (String::new(), patient_hash("")),
            fact: Vec::new(),
        }
    }

    /// Adds what line `line` says.
    pub(super) fn add(&mut self, line: u64, item: &Item) -> Result<(), ImportError> {
        let Item { patient, kind, id, updated, content, doubts: _ } = item;
        if *patient != self.last.0 {
            self.last = (patient.clone(), patient_hash(patient));
        }
        let hash = self.last.1;
        let stored =
            Stored { patient, line, kind: *kind, id: id.as_deref(), updated: *updated, content };
        self.fact.clear();
        let fact = postcard::to_extend(&stored, std::mem::take(&mut self.fact));
        self.fact = fact.map_err(|_| self.fault(io::ErrorKind::InvalidData.into()))?;
        let shard = shard_of(hash, self.buffers.len());
        let Some(buffer) = self.buffers.get_mut(shard) else { return Ok(()) };
        let length = u32::try_from(self.fact.len()).unwrap_or(u32::MAX);
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&hash.to_le_bytes());
        buffer.extend_from_slice(&self.fact);
        if buffer.len() < self.block_bytes {
            return Ok(());
        }
        let full = std::mem::take(buffer);
        let emptied = self.pack(shard, full)?;
        if let Some(buffer) = self.buffers.get_mut(shard) {
            *buffer = emptied;
        }
        Ok(())
    }

    /// Writes a block, and gives its buffer back, empty.
    fn pack(&mut self, shard: usize, mut block: Vec<u8>) -> Result<Vec<u8>, ImportError> {
        let packed = zstd::bulk::compress(&block, ZSTD_LEVEL).map_err(|e| self.fault(e))?;
        let (packed_bytes, bytes) = (packed.len() as u32, block.len() as u32);
        let (shard, offset) = (shard as u32, self.written_bytes);
        self.blocks.push(Block { shard, offset, packed_bytes, bytes });
        self.write(&packed)?;
        block.clear();
        Ok(block)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        match &mut self.target {
            Target::Memory(kept) => kept.push(bytes)?,
            Target::Disk { file, .. } => {
                file.write_all(bytes).map_err(|source| self.fault(source))?;
            }
        }
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn fault(&self, source: io::Error) -> ImportError {
        let path = match &self.target {
            Target::Memory(_) => PathBuf::new(),
            Target::Disk { part, .. } => part.clone(),
        };
        ImportError::Work { path, source }
    }

    /// Writes what is left, and gives a spill file its name.
    pub(super) fn finish(
        mut self,
        counts: Counts,
        medications: Vec<(String, Code)>,
    ) -> Result<Spill, ImportError> {
        for shard in 0..self.buffers.len() {
            let rest = self.buffers.get_mut(shard).map(std::mem::take).unwrap_or_default();
            if !rest.is_empty() {
                self.pack(shard, rest)?;
            }
        }
        self.buffers = Vec::new();
        let told = Told { counts, medications, blocks: std::mem::take(&mut self.blocks) };
        if matches!(self.target, Target::Disk { .. }) {
            // JSON, because the counts leave out what is empty.
            let footer = serde_json::to_vec(&told).map_err(|e| self.fault(e.into()))?;
            let length = (footer.len() as u64).to_le_bytes();
            self.write(&footer)?;
            self.write(&length)?;
            self.write(MAGIC)?;
        }
        let number = self.number;
        let store = match self.target {
            Target::Memory(mut kept) => {
                kept.0.shrink_to_fit();
                Store::Memory(kept)
            }
            Target::Disk { file, part, whole } => {
                let fault = |source| ImportError::Work { path: part.clone(), source };
                let file = file.into_inner().map_err(|error| fault(error.into_error()))?;
                file.sync_all().map_err(fault)?;
                std::fs::rename(&part, &whole).map_err(fault)?;
                let file = File::open(&whole).map_err(fault)?;
                Store::Disk(file, whole)
            }
        };
        Ok(Spill { number, told, store })
    }
}

impl Spill {
    /// Opens a whole spill file; `None` where it is none.
    pub(super) fn open(number: usize, path: &Path) -> io::Result<Option<Spill>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut end = [0; 16];
        let Some(end_at) = size.checked_sub(end.len() as u64) else { return Ok(None) };
        file.read_exact_at(&mut end, end_at)?;
        let (length, magic) = end.split_at(8);
        let length = length.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let Some(footer_at) = end_at.checked_sub(length).filter(|_| magic == MAGIC) else {
            return Ok(None);
        };
        let mut footer = vec![0; length as usize];
        file.read_exact_at(&mut footer, footer_at)?;
        let Ok(told) = serde_json::from_slice(&footer) else { return Ok(None) };
        Ok(Some(Spill { number, told, store: Store::Disk(file, path.to_owned()) }))
    }

    /// Adds the unpacked blocks of a shard to `facts`, in the order of their lines.
    pub(super) fn unpack(&self, shard: u32, facts: &mut Vec<u8>) -> Result<(), ImportError> {
        let mut packed = Vec::new();
        for block in self.told.blocks.iter().filter(|block| block.shard == shard) {
            let bytes = match &self.store {
                Store::Memory(kept) => {
                    let from = block.offset as usize;
                    kept.0.get(from..from + block.packed_bytes as usize).unwrap_or_default()
                }
                Store::Disk(file, path) => {
                    packed.resize(block.packed_bytes as usize, 0);
                    file.read_exact_at(&mut packed, block.offset)
                        .map_err(|source| ImportError::Work { path: path.clone(), source })?;
                    &packed
                }
            };
            let length = (block.bytes as usize).min(FACT_BYTES_MAX);
            let unpacked = zstd::bulk::decompress(bytes, length).map_err(|e| self.damaged(e))?;
            facts.extend_from_slice(&unpacked);
        }
        Ok(())
    }

    pub(super) fn damaged(&self, source: io::Error) -> ImportError {
        let path = match &self.store {
            Store::Memory(_) => PathBuf::new(),
            Store::Disk(_, path) => path.clone(),
        };
        ImportError::Work { path, source }
    }
}

fn shard_of(hash: u64, shards: usize) -> usize {
    // By the high bits, so that shard after shard, and patients by hash in each, is one order of all.
    ((u128::from(hash) * shards as u128) >> 64) as usize
}

/// One fact of a shard: the hash of its patient's id, and where its bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FactRef {
    pub hash: u64,
    from: usize,
    until: usize,
}

/// The facts in unpacked blocks.
pub(super) fn facts(bytes: &[u8], mut from: usize) -> impl Iterator<Item = FactRef> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.get(from..)?.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length) as usize;
        rest.get(..length)?;
        let start = from + 12;
        from = start + length;
        Some(FactRef { hash: u64::from_le_bytes(*hash), from: start, until: from })
    })
}

/// Reads a fact back: its line, and what it says.
pub(super) fn restore(bytes: &[u8], fact: FactRef) -> io::Result<(u64, Item)> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let bytes = bytes.get(fact.from..fact.until).ok_or_else(damaged)?;
    let Restored { patient, line, kind, id, updated, content } =
        postcard::from_bytes(bytes).map_err(|_| damaged())?;
    Ok((line, Item { patient, kind, id, updated, content, doubts: Vec::new() }))
}
