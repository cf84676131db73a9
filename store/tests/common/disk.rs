//! A disk in memory that can lose power, run full, or fail to sync.
//!
//! It knows what was synced. When the power is cut, each write since then survives whole, torn at a sector, or not at
//! all, in any combination, as the seed has it; afterwards every access fails until the disk is revived.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use store::redb::Disk;

const SECTOR: usize = 512;

/// A small deterministic generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Change::Len(len) => image.resize(*len, 0),
            Change::Write(at, data) => {
                if image.len() < at + data.len() {
                    image.resize(at + data.len(), 0);
                }
                image[*at..*at + data.len()].copy_from_slice(data);
            }
        }
    }

    /// What of it survives the cut.
    fn survivor(self, random: &mut Random) -> Option<Change> {
        match (self, random.below(3)) {
            (_, 0) => None,
            (Change::Write(at, data), 1) if data.len() > SECTOR => {
                let sectors = (data.len() / SECTOR) as u64;
                let kept = 1 + random.below(sectors) as usize;
                let (from, to) = if random.below(2) == 0 {
                    (0, (kept * SECTOR).min(data.len()))
                } else {
                    ((kept * SECTOR).min(data.len()), data.len())
                };
                Some(Change::Write(at + from, data[from..to].to_vec()))
            }
            (change, _) => Some(change),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    current: Vec<u8>,
    /// What was synced.
    durable: Vec<u8>,
    since: Vec<Change>,
    /// How many more changes and syncs there are until the power is cut.
    fuse: Option<u64>,
    cut: bool,
    /// How long the disk may become.
    capacity: Option<usize>,
    failing_syncs: u64,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<parking_lot::Mutex<State>>,
    open: Arc<AtomicBool>,
}

impl MemoryDisk {
    /// Cuts the power after so many more changes and syncs.
    pub fn cut_after(&self, accesses: u64) {
        self.state.lock().fuse = Some(accesses);
    }

    pub fn is_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// Power again: what was synced, and of the rest what the seed lets survive.
    pub fn revive(&self, random: &mut Random) {
        let mut state = self.state.lock();
        let mut image = std::mem::take(&mut state.durable);
        // The disk may also have been done with everything, or not have begun.
        let mode = random.below(4);
        for change in std::mem::take(&mut state.since) {
            let survivor = match mode {
                0 => None,
                1 => Some(change),
                _ => change.survivor(random),
            };
            if let Some(change) = survivor {
                change.apply(&mut image);
            }
        }
        state.current.clone_from(&image);
        state.durable = image;
        state.fuse = None;
        state.cut = false;
    }

    /// How long the disk may become, in bytes. Writes into what was allocated before go on, as on a real one.
    pub fn limit(&self, capacity: Option<usize>) {
        self.state.lock().capacity = capacity;
    }

    pub fn used(&self) -> usize {
        self.state.lock().current.len()
    }

    /// Lets the next syncs fail, after which what was not synced is gone.
    pub fn fail_syncs(&self, count: u64) {
        self.state.lock().failing_syncs = count;
    }

    /// How many syncs there were.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.state.lock();
        state.burn()?;
        if let (Some(capacity), Change::Len(len)) = (state.capacity, &change)
            && *len > capacity.max(state.current.len())
        {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        change.apply(&mut state.current);
        state.since.push(change);
        Ok(())
    }
}

impl State {
    fn burn(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => self.cut = true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.powered()
    }

    fn powered(&self) -> io::Result<()> {
        if self.cut {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.state.lock().powered()?;
        self.open.store(true, Ordering::SeqCst);
        Ok(Box::new(self.clone()))
    }

    fn free(&self) -> Option<u64> {
        let state = self.state.lock();
        let capacity = state.capacity?;
        Some(capacity.saturating_sub(state.current.len()) as u64)
    }
}

impl StorageBackend for MemoryDisk {
    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock();
        state.powered()?;
        Ok(state.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        state.powered()?;
        let from = usize::try_from(offset).unwrap();
        let found = state.current.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.burn()?;
        state.syncs += 1;
        if state.failing_syncs > 0 {
            state.failing_syncs -= 1;
            state.current = state.durable.clone();
            state.since.clear();
            return Err(io::Error::other("the sync failed"));
        }
        let since = std::mem::take(&mut state.since);
        for change in since {
            change.apply(&mut state.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.change(Change::Write(at, data.to_vec()))
    }
}
