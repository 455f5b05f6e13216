//! Which channel of an exchange each row of a batch goes to.
//!
//! Depends on nothing but the rows and the number of the task: a task that is done again deals its rows
//! the same way. Must not store rows.

use arrow::array::RecordBatch;
use nestflow_batch::cell::Cell;
use nestflow_batch::columns::{cell_at, hash_columns};
use nestflow_batch::repr::repr;
use nestflow_chain::CallSite;

use crate::error::{Error, Result};
use crate::executor::columns::{cells, column, positions};
use crate::plan::flat::{Col, ExchangeKind};

/// By what rows are dealt.
enum By {
    One,
    Hash(Vec<Col>),
    Direct(Col),
    Rank,
    /// The next row's channel.
    Turns(u32),
}

/// Names the channel of each row.
pub struct Route {
    by: By,
    channels: u32,
    /// The user's line that a wrong channel is blamed on.
    site: Option<CallSite>,
    hashes: Vec<u64>,
    channel_of: Vec<u32>,
}

impl Route {
    /// All rows to the only channel.
    pub fn one() -> Route {
        Route { by: By::One, channels: 1, site: None, hashes: vec![], channel_of: vec![] }
    }

    /// The way of an exchange, in this task.
    pub fn of(kind: &ExchangeKind, channels: u32, task: u32, site: Option<CallSite>) -> Route {
        let by = match kind {
            ExchangeKind::Hash { by, .. } => By::Hash(by.clone()),
            ExchangeKind::Direct { by, .. } => By::Direct(*by),
            ExchangeKind::Sorted { .. } => By::Rank,
            ExchangeKind::RoundRobin { parts } => By::Turns(task % parts.max(&1)),
            ExchangeKind::Gather | ExchangeKind::Broadcast | ExchangeKind::Forward => By::One,
        };
        Route { by, channels, site, ..Route::one() }
    }

    /// The channel of each row.
    pub fn deal(&mut self, batch: &RecordBatch) -> Result<&[u32]> {
        let rows = batch.num_rows();
        self.channel_of.clear();
        match &mut self.by {
            By::One => self.channel_of.resize(rows, 0),
            By::Hash(by) => {
                let by = by.iter().map(|col| cells(batch, *col)).collect::<Result<Vec<_>>>()?;
                self.hashes.clear();
                self.hashes.resize(rows, 0);
                hash_columns(&by, &mut self.hashes);
                let channels = u64::from(self.channels);
                // The high bits choose the channel: hash tables of consumers use the low ones.
                self.channel_of
                    .extend(self.hashes.iter().map(|hash| (((hash >> 32) * channels) >> 32) as u32));
            }
            By::Direct(by) => {
                let numbers = cells(batch, *by)?;
                for row in 0..rows {
                    let given = cell_at(numbers, row);
                    let number = match given.map(Cell::read) {
                        Some(Ok(Cell::Int(number))) => u32::try_from(number).ok(),
                        _ => None,
                    };
                    let Some(number) = number.filter(|&number| number < self.channels) else {
                        let given = given.map_or("nothing".to_owned(), repr);
                        let record = cell_at(cells(batch, Col::Value)?, row).map(repr).unwrap_or_default();
                        let text = format!(
                            "the partition function returned {given} for the record {record}, and the {} \
                             parts of the output are numbered from 0",
                            self.channels
                        );
                        return Err(Error::Data(text).at(self.site.as_ref()));
                    };
                    self.channel_of.push(number);
                }
            }
            By::Rank => {
                let ranks = positions(column(batch, Col::Rank)?)?.values();
                let last = u64::from(self.channels).saturating_sub(1);
                self.channel_of.extend(ranks.iter().map(|&rank| rank.min(last) as u32));
            }
            By::Turns(next) => {
                for _ in 0..rows {
                    self.channel_of.push(*next);
                    *next = (*next + 1) % self.channels.max(1);
                }
            }
        }
        Ok(&self.channel_of)
    }
}
