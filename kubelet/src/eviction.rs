//! What has to be left of memory and disk, in the notation of upstream's `--eviction-hard`. Below it, the node says that it is
//! under pressure, and gets no new pods. Pods are not evicted for it: see docs/limitations.md.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/>

use std::str::FromStr;

/// What has to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Percent of the file system with the pods' data.
    pub disk_percent: i64,
}

impl Default for Thresholds {
    /// Upstream's.
    fn default() -> Self {
        Self {
            memory_bytes: 100 << 20,
            disk_percent: 10,
        }
    }
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut thresholds = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let wrong = || {
                format!("{part:?}: take memory.available<QUANTITY and nodefs.available<PERCENT%")
            };
            match part.split_once('<').ok_or_else(wrong)? {
                ("memory.available", value) => {
                    let quantity: api::Quantity = value.parse().map_err(|_| wrong())?;
                    thresholds.memory_bytes = quantity.value();
                }
                ("nodefs.available", value) => {
                    let percent = value.strip_suffix('%').and_then(|text| text.parse().ok());
                    thresholds.disk_percent = percent
                        .filter(|percent| (0..=100).contains(percent))
                        .ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_in_upstreams_notation() {
        let read: Thresholds = "memory.available<1Gi,nodefs.available<5%".parse().unwrap();
        assert_eq!((read.memory_bytes, read.disk_percent), (1 << 30, 5));
        assert_eq!("".parse(), Ok(Thresholds::default()));
        for wrong in [
            "nodefs.available<5",
            "nodefs.available<500%",
            "imagefs.available<5%",
            "x",
        ] {
            assert!(wrong.parse::<Thresholds>().is_err(), "{wrong}");
        }
    }
}
