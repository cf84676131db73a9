/// What the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millis: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Bytes of the file system that pods' data is on.
    pub storage_bytes: i64,
}

impl Capacity {
    /// Looks at the machine; `root_dir` is where pods' data is.
    pub fn of_machine(root_dir: &std::path::Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kibibytes: i64 = total
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0);
        let storage = nix::sys::statvfs::statvfs(root_dir);
        let storage_bytes = storage.map_or(0, |fs| {
            i64::try_from(fs.blocks() * fs.fragment_size()).unwrap_or(i64::MAX)
        });
        Self {
            cpu_millis: i64::try_from(cores).unwrap_or(1) * 1000,
            memory_bytes: kibibytes * 1024,
            storage_bytes,
        }
    }
}
