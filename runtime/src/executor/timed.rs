//! A chain that notes how long its task waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use nestflow_chain::{Counts, HostError, OpenChain};

use super::Progress;

/// Adds the time inside `chain` to the task's progress.
pub struct Timed {
    pub chain: Box<dyn OpenChain>,
    pub progress: Arc<Progress>,
}

impl Timed {
    fn time<T>(&mut self, call: impl FnOnce(&mut dyn OpenChain) -> T) -> T {
        let began = Instant::now();
        let result = call(self.chain.as_mut());
        self.progress.host_nanos.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

impl OpenChain for Timed {
    fn credits(&self) -> usize {
        self.chain.credits()
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.time(|chain| chain.push(input))
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.time(|chain| chain.pull())
    }

    fn more(&self) -> bool {
        self.chain.more()
    }

    fn enough(&self) -> bool {
        self.chain.enough()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.time(|chain| chain.finish())
    }

    fn counted(&mut self) -> Counts {
        self.chain.counted()
    }

    fn elsewhere(&self) -> Duration {
        self.chain.elsewhere()
    }
}
