//! What user functions count, on its way from where they run to who asked for the run.
//!
//! Counts travel with results: what was counted for a result that nobody took is not counted. They
//! are sums, so that it does not matter in which order they arrive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::host::{Ahead, Host, HostError, OpenChain};
use crate::spec::ChainSpec;

/// Sums by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(pub BTreeMap<String, i64>);

impl Counts {
    /// Adds others; a sum that no `i64` holds stays at the end of the line.
    pub fn add(&mut self, others: Counts) {
        for (name, count) in others.0 {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Takes them all.
    pub fn take(&mut self) -> Counts {
        std::mem::take(self)
    }
}

/// Where the counts of many chains gather.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

impl Tally {
    fn add(&self, counts: Counts) {
        if !counts.0.is_empty() {
            // Sums are whole whatever happened to a thread that held them.
            self.0.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
        }
    }

    /// Takes what has gathered.
    pub fn take(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A host whose chains put down what they count, whoever drives them.
pub struct CountingHost {
    /// Where the chains run.
    pub host: Arc<dyn Host>,
    /// Where their counts go.
    pub tally: Arc<Tally>,
}

impl Host for CountingHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        Ok(Box::new(Counting { chain: self.host.open(chain, sides)?, tally: self.tally.clone() }))
    }

    fn name(&self) -> &'static str {
        self.host.name()
    }

    fn end(&self, go_on: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        self.host.end(go_on)
    }

    fn prepare(&self, ahead: Ahead) {
        self.host.prepare(ahead);
    }
}

struct Counting {
    chain: Box<dyn OpenChain>,
    tally: Arc<Tally>,
}

impl OpenChain for Counting {
    fn credits(&self) -> usize {
        self.chain.credits()
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.chain.push(input)
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let result = self.chain.pull()?;
        self.tally.add(self.chain.counted());
        Ok(result)
    }

    fn more(&self) -> bool {
        self.chain.more()
    }

    fn enough(&self) -> bool {
        self.chain.enough()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        let rest = self.chain.finish()?;
        self.tally.add(self.chain.counted());
        Ok(rest)
    }

    fn elsewhere(&self) -> Duration {
        self.chain.elsewhere()
    }
}
