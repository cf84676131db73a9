//! Which pod holds which address: one file an address under the data directory, named by the address, holding the pod's id.
//! It is made and then written: one that is empty is the rest of a crash between the two, and allocates nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use parking_lot::{Mutex, MutexGuard};

use crate::Error;

/// The node's pod addresses.
#[derive(Debug)]
pub struct AddressPool {
    dir: PathBuf,
    cidr: Ipv4Net,
    gateway: Ipv4Addr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_owner: BTreeMap<String, Ipv4Addr>,
    by_address: BTreeMap<Ipv4Addr, String>,
    /// The address given out last: the search goes on behind it, so that an address just released rests longest.
    last: Option<Ipv4Addr>,
}

impl AddressPool {
    /// Reads what is allocated. `gateway` is never given out. Files that are no allocation of this CIDR are removed.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(dir: PathBuf, cidr: Ipv4Net, gateway: Ipv4Addr) -> Result<Self, Error> {
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let mut state = State::default();
        for entry in fs::read_dir(&dir).map_err(Error::io(&dir))? {
            let path = entry.map_err(Error::io(&dir))?.path();
            let address = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse::<Ipv4Addr>().ok());
            let owner = fs::read_to_string(&path).unwrap_or_default();
            match address {
                Some(address)
                    if cidr.contains(&address)
                        && !owner.is_empty()
                        && !state.by_owner.contains_key(&owner) =>
                {
                    state.by_owner.insert(owner.clone(), address);
                    state.by_address.insert(address, owner);
                }
                _ => fs::remove_file(&path).map_err(Error::io(&path))?,
            }
        }
        state.last = state.by_address.keys().next_back().copied();
        Ok(Self {
            dir,
            cidr,
            gateway,
            state: Mutex::new(state),
        })
    }

    /// The address that `owner` holds.
    pub fn get(&self, owner: &str) -> Option<Ipv4Addr> {
        self.state().by_owner.get(owner).copied()
    }

    /// Everyone who holds an address, in order.
    pub fn owners(&self) -> Vec<String> {
        self.state().by_owner.keys().cloned().collect()
    }

    /// An address for `owner`: the one that it holds, or else a free one.
    ///
    /// # Errors
    /// When none is free or the allocation cannot be written.
    pub fn allocate(&self, owner: &str) -> Result<Ipv4Addr, Error> {
        let mut state = self.state();
        if let Some(address) = state.by_owner.get(owner) {
            return Ok(*address);
        }
        let address = self
            .next_free(&state)
            .ok_or(Error::NoFreeAddress(self.cidr))?;
        let path = self.dir.join(address.to_string());
        // A file that is there but was not read as an allocation is the rest of a crash.
        let mut file = fs::File::create(&path).map_err(Error::io(&path))?;
        file.write_all(owner.as_bytes()).map_err(Error::io(&path))?;
        state.by_owner.insert(owner.to_owned(), address);
        state.by_address.insert(address, owner.to_owned());
        state.last = Some(address);
        Ok(address)
    }

    /// Frees the address of `owner`, if it holds one.
    ///
    /// # Errors
    /// When the allocation cannot be removed.
    pub fn release(&self, owner: &str) -> Result<(), Error> {
        let mut state = self.state();
        let Some(address) = state.by_owner.get(owner).copied() else {
            return Ok(());
        };
        let path = self.dir.join(address.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io(&path)(error));
            }
            _ => {}
        }
        state.by_owner.remove(owner);
        state.by_address.remove(&address);
        Ok(())
    }

    /// The first free host address behind the last one given out, going round.
    fn next_free(&self, state: &State) -> Option<Ipv4Addr> {
        let first = u32::from(self.cidr.network()) + 1;
        let count = u32::from(self.cidr.broadcast()).checked_sub(first)?;
        let start = state.last.map_or(0, |last| {
            u32::from(last).wrapping_sub(first).wrapping_add(1)
        });
        (0..count)
            .map(|step| {
                Ipv4Addr::from(
                    first
                        + (u64::from(start) + u64::from(step)).rem_euclid(u64::from(count)) as u32,
                )
            })
            .find(|address| *address != self.gateway && !state.by_address.contains_key(address))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(dir: &std::path::Path, cidr: &str) -> AddressPool {
        let cidr: Ipv4Net = cidr.parse().unwrap();
        AddressPool::open(dir.to_path_buf(), cidr, cidr.hosts().next().unwrap()).unwrap()
    }

    #[test]
    fn an_owner_keeps_its_address_and_the_gateway_is_never_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let pool = pool(dir.path(), "10.1.0.0/29");
        let first = pool.allocate("a").unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 1, 0, 2));
        assert_eq!(pool.allocate("a").unwrap(), first);
        assert_eq!(pool.allocate("b").unwrap(), Ipv4Addr::new(10, 1, 0, 3));
    }

    #[test]
    fn a_released_address_rests_until_the_others_had_their_turn() {
        let dir = tempfile::tempdir().unwrap();
        let pool = pool(dir.path(), "10.1.0.0/29");
        let a = pool.allocate("a").unwrap();
        pool.release("a").unwrap();
        let rest: Vec<_> = ["b", "c", "d", "e"]
            .map(|owner| pool.allocate(owner).unwrap())
            .into();
        assert!(!rest.contains(&a), "{rest:?}");
        assert_eq!(pool.allocate("f").unwrap(), a);
        assert!(matches!(pool.allocate("g"), Err(Error::NoFreeAddress(_))));
    }

    #[test]
    fn allocations_survive_a_restart_and_foreign_files_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let a = pool(dir.path(), "10.1.0.0/24").allocate("a").unwrap();
        fs::write(dir.path().join("10.9.9.9"), "z").unwrap();
        fs::write(dir.path().join("10.1.0.77"), "").unwrap();
        fs::write(dir.path().join("note"), "z").unwrap();
        let again = pool(dir.path(), "10.1.0.0/24");
        assert_eq!(again.get("a"), Some(a));
        assert_eq!(again.owners(), ["a"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        again.release("a").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
