//! The host whose programs run in worker processes.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use nestflow_chain::wire::{Failure, FromWorker, Part, ToWorker};
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain};

use crate::link::LinkError;
use crate::pool::{Loan, Pool};
use crate::process::{Settings, Worker};
use crate::steps::describe;

/// Batches on their way: one in hand, one that waits for it.
const CREDITS: usize = 2;

/// Runs programs in a pool of worker processes, one program in one process at a time.
pub struct WorkersHost {
    pool: Arc<Pool>,
}

impl WorkersHost {
    /// A host without processes yet: [`WorkersHost::start_ahead`] or the first program starts them.
    pub fn new(settings: Settings) -> WorkersHost {
        WorkersHost { pool: Pool::new(settings) }
    }

    /// Starts processes in the background.
    pub fn start_ahead(&self) {
        self.pool.start_ahead();
    }

    /// Whether a process waits for work.
    pub fn has_idle(&self) -> bool {
        self.pool.has_idle()
    }

    /// Ends the processes that run user functions now, and starts no others until
    /// [`WorkersHost::resume`]: for an interrupt, which must not wait for the user's code.
    pub fn kill_busy(&self) {
        self.pool.interrupt();
    }

    /// Makes the host work again after [`WorkersHost::kill_busy`].
    pub fn resume(&self) {
        self.pool.resume();
    }
}

impl Drop for WorkersHost {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl Host for WorkersHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let mut open = Remote {
            pool: Arc::clone(&self.pool),
            loan: Some(self.pool.take()?),
            steps: describe(chain),
            in_flight: VecDeque::new(),
            batches: 0,
            rows: 0,
        };
        let chain = chain.clone();
        open.send(|worker| {
            let sides = sides.iter().map(|side| worker.sender.part(side)).collect::<Result<Vec<Part>, _>>()?;
            worker.sender.send(&ToWorker::Open { chain, sides })
        })?;
        match open.answer()? {
            FromWorker::Opened => Ok(Box::new(open)),
            other => Err(open.unexpected(&other)),
        }
    }

    fn name(&self) -> &'static str {
        "workers"
    }
}

/// A program that is open in a worker.
struct Remote {
    pool: Arc<Pool>,
    /// `None` after the end of the worker.
    loan: Option<Loan>,
    steps: String,
    /// Number, first record and length of batches without an answer.
    in_flight: VecDeque<(u64, u64, u64)>,
    batches: u64,
    rows: u64,
}

impl Remote {
    fn worker(&mut self) -> Result<&mut Worker, HostError> {
        let loan = self.loan.as_mut();
        Ok(&mut loan.ok_or_else(|| HostError::Died("the worker process has died".to_owned()))?.worker)
    }

    fn send(
        &mut self,
        send: impl FnOnce(&mut Worker) -> Result<(), LinkError>,
    ) -> Result<(), HostError> {
        match send(self.worker()?) {
            Ok(()) => Ok(()),
            // What it said before its end is worth more than the end itself.
            Err(LinkError::Gone) => Err(self.died(LinkError::Gone)),
            Err(LinkError::Bad(reason)) => Err(HostError::Data(reason)),
        }
    }

    fn answer(&mut self) -> Result<FromWorker, HostError> {
        match self.worker()?.receiver.receive() {
            Ok(FromWorker::Failed(failure)) => {
                // It waits for the end of the program now and answers nothing else.
                self.in_flight.clear();
                Err(match failure {
                    Failure::User(error) => HostError::User(error),
                    Failure::Data(message) => HostError::Data(message),
                    Failure::Internal(message) => HostError::Internal(message),
                })
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.died(error)),
        }
    }

    fn batch(&mut self, part: Part) -> Result<RecordBatch, HostError> {
        let batch = self.worker()?.receiver.batch(part);
        batch.map_err(|error| self.died(error))
    }

    fn unexpected(&mut self, answer: &FromWorker) -> HostError {
        self.died(LinkError::Bad(format!("an answer out of turn: {answer:?}")))
    }

    fn died(&mut self, error: LinkError) -> HostError {
        let Some(loan) = self.loan.take() else {
            return HostError::Died("the worker process has died".to_owned());
        };
        let end = loan.worker.end_of_connection(error);
        self.pool.end(loan);
        let place = match self.in_flight.front() {
            Some((number, first, rows)) => {
                format!(", in batch {number} (records {} to {} of its task)", first + 1, first + rows)
            }
            None => String::new(),
        };
        self.in_flight.clear();
        HostError::Died(format!("a worker process died while it ran {}{place}: {end}", self.steps))
    }
}

impl OpenChain for Remote {
    fn credits(&self) -> usize {
        CREDITS
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let rows = input.num_rows() as u64;
        self.batches += 1;
        self.in_flight.push_back((self.batches, self.rows, rows));
        self.rows += rows;
        self.send(|worker| {
            let part = worker.sender.part(&input)?;
            worker.sender.send(&ToWorker::Push(part))
        })
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        if self.in_flight.is_empty() {
            return Err(HostError::Internal("pull without a push".to_owned()));
        }
        match self.answer()? {
            FromWorker::Pulled(part) => {
                let batch = self.batch(part)?;
                self.in_flight.pop_front();
                Ok(batch)
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.send(|worker| worker.sender.send(&ToWorker::Finish))?;
        match self.answer()? {
            FromWorker::Finished(part) => part.map(|part| self.batch(part)).transpose(),
            other => Err(self.unexpected(&other)),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let Some(mut loan) = self.loan.take() else { return };
        // One that still works on a batch would keep the next program waiting, perhaps for ever.
        if self.in_flight.is_empty() && loan.worker.sender.send(&ToWorker::Close).is_ok() {
            self.pool.give_back(loan);
        } else {
            self.pool.end(loan);
        }
    }
}
