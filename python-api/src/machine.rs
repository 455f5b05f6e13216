//! What this machine has to give: memory, within the limits of a container, and cores.

use std::fs;

/// The default memory limit: a share of what this process may use, so that the user's own data and
/// worker processes have room too.
const SHARE: f64 = 0.4;
/// The least that a worker process may take unless told otherwise: a machine that is too small for it has other
/// ways to say so.
const LEAST: usize = 1 << 30;

/// Bytes that the engine takes unless told otherwise.
pub fn default_memory_limit() -> usize {
    (available() * SHARE) as usize
}

/// Bytes that each of so many worker processes may take for data unless told otherwise: equal parts of what the
/// engine leaves by default.
pub fn default_worker_limit(workers: usize) -> usize {
    let part = available() * (1.0 - SHARE) / workers.max(1) as f64;
    (part as usize).max(LEAST)
}

fn available() -> f64 {
    let limits = [machine_memory(), container_limit()];
    limits.into_iter().flatten().min().unwrap_or(4 << 30) as f64
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
