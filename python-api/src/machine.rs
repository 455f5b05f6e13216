//! What this machine has to give: memory, within the limits of a container, and cores.

use std::fs;

/// The default memory limit: a share of what this process may use, so that the user's own data and
/// worker processes have room too.
const SHARE: f64 = 0.4;

/// Bytes that the engine takes unless told otherwise.
pub fn default_memory_limit() -> usize {
    let limits = [machine_memory(), container_limit()];
    let available = limits.into_iter().flatten().min().unwrap_or(4 << 30);
    (available as f64 * SHARE) as usize
}

fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The limit of the control group that this process is in, version 2 or 1.
fn container_limit() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned)));
    let mut candidates = vec![
        "/sys/fs/cgroup/memory.max".to_owned(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    candidates.extend(own.map(|path| format!("/sys/fs/cgroup{path}/memory.max")));
    let read = |path: String| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    candidates.into_iter().filter_map(read).min()
}

/// Cores that this process may run on.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
