//! What is known of a program's cost, and what follows for where it should run.
//!
//! Plain arithmetic on measured sums. Must not know how they are measured.

use std::time::Duration;

use nestflow_chain::Ahead;

/// What starting workers costs before they answer.
const START: f64 = 150e6;
/// What opening a chain in a worker costs.
const OPEN: f64 = 1e6;
/// Workers have to be that much better: what is not known is rather against them.
const MARGIN: f64 = 1.25;
/// Nanoseconds, both ways and both sides together, for a cell on its way to a worker or back.
const PER_CELL: f64 = 6.0;
/// And for a byte of it.
const PER_BYTE: f64 = 0.4;

/// Nanoseconds of processor time, and the records that took them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Nanoseconds.
    pub nanos: u64,
    /// Records.
    pub records: u64,
}

impl Cost {
    /// Adds what some records took.
    pub fn add(&mut self, took: Duration, records: u64) {
        self.nanos += took.as_nanos() as u64;
        self.records += records;
    }

    fn each(self) -> Option<f64> {
        (self.records > 0).then(|| self.nanos as f64 / self.records as f64)
    }
}

/// Cells and the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Cells.
    pub cells: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Load {
    /// Adds another one.
    pub fn add(&mut self, other: Load) {
        self.cells += other.cells;
        self.bytes += other.bytes;
    }

    fn transport(self) -> f64 {
        self.cells as f64 * PER_CELL + self.bytes as f64 * PER_BYTE
    }
}

/// What was measured of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// In this process.
    pub here: Cost,
    /// In workers, what this process does for them included.
    pub there: Cost,
    /// Of everything else that its tasks do.
    pub rest: Cost,
    /// What went in, of so many records …
    pub input: Load,
    /// … namely these.
    pub records: u64,
    /// What came out of them.
    pub output: Load,
}

impl Measured {
    /// Whether the records of a stage that are left are better taken to workers. `ready`: there are
    /// some. `done` bytes of the stage's are behind it.
    pub fn favours_workers(&self, ahead: Ahead, done: u64, ready: bool) -> bool {
        let lanes = ahead.at_a_time.min(ahead.tasks) as f64;
        if lanes < 2.0 || self.records == 0 {
            return false;
        }
        let bytes_each = (self.input.bytes as f64 / self.records as f64).max(1.0);
        // What is on its way to the program is not known better than by what the stage reads.
        let left = ahead.bytes.saturating_sub(done) as f64 / bytes_each;
        let transport = (self.input.transport() + self.output.transport()) / self.records as f64;
        let (here, there) = match (self.here.each(), self.there.each()) {
            (Some(here), Some(there)) => (here, there),
            (Some(here), None) => (here, here + transport),
            // The first batch here takes longer than all that went.
            (None, Some(there)) => ((there - transport).max(there / 2.0), there),
            (None, None) => return false,
        };
        let rest = self.rest.each().unwrap_or(0.0);
        // In this process one runs at a time; all else, and all in workers, shares the cores.
        let each_here = here.max((here + rest) / lanes);
        let each_there = (there + rest) / lanes;
        let start = if ready { 0.0 } else { START };
        left * each_here > left * each_there * MARGIN + start + OPEN * ahead.tasks as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHEAD: Ahead = Ahead { tasks: 8, at_a_time: 4, bytes: 100 << 20 };

    /// Records of 100 bytes that give `cells` cells of 10 each.
    fn measured(nanos: u64, cells: u64) -> Measured {
        let mut measured = Measured { records: 1000, ..Measured::default() };
        measured.here.add(Duration::from_nanos(nanos * 1000), 1000);
        measured.input.add(Load { cells: 1000, bytes: 100_000 });
        measured.output.add(Load { cells: 1000 * cells, bytes: 10_000 * cells });
        measured
    }

    #[test]
    fn long_work_goes_and_tiny_work_stays() {
        assert!(measured(5_000, 1).favours_workers(AHEAD, 0, false));
        let tiny = Ahead { bytes: 1 << 20, ..AHEAD };
        assert!(!measured(5_000, 1).favours_workers(tiny, 0, false));
        assert!(measured(5_000, 1).favours_workers(tiny, 0, true));
        assert!(!measured(5_000, 1).favours_workers(AHEAD, AHEAD.bytes, true));
    }

    #[test]
    fn without_a_second_task_there_is_nothing_to_gain() {
        assert!(!measured(1_000_000, 1).favours_workers(Ahead { tasks: 1, ..AHEAD }, 0, true));
        assert!(!measured(1_000_000, 1).favours_workers(Ahead { at_a_time: 1, ..AHEAD }, 0, true));
        assert!(!Measured::default().favours_workers(AHEAD, 0, true));
    }

    #[test]
    fn output_that_costs_more_than_the_work_stays() {
        let two = Ahead { at_a_time: 2, ..AHEAD };
        assert!(measured(2_000, 1).favours_workers(two, 0, true));
        assert!(!measured(2_000, 200).favours_workers(two, 0, true));
    }

    #[test]
    fn what_was_measured_counts_more_than_what_was_expected() {
        let mut known = measured(5_000, 1);
        known.there.add(Duration::from_nanos(30_000 * 1000), 1000);
        assert!(!known.favours_workers(AHEAD, 0, true));
        known.there = Cost::default();
        known.there.add(Duration::from_nanos(6_000 * 1000), 1000);
        assert!(known.favours_workers(AHEAD, 0, true));
        known.here = Cost::default();
        assert!(known.favours_workers(AHEAD, 0, true));
    }

    #[test]
    fn where_the_rest_keeps_the_cores_busy_workers_only_add_to_it() {
        let two = Ahead { at_a_time: 2, ..AHEAD };
        let mut known = measured(2_000, 1);
        known.rest.add(Duration::from_nanos(8_000 * 1000), 1000);
        assert!(!known.favours_workers(two, 0, true));
    }
}
