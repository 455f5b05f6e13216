//! One dataset, several readers within a stage: computed once as it streams.
//!
//! Readers go in step: one that is `LEAD` batches ahead of the slowest waits for it. All readers of
//! a task are polled by one future, so a reader that waits never keeps the others from running.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_common::Result as DfResult;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt};

use super::stream::StreamExec;
use crate::error::Error;
use crate::internal;

const LEAD: usize = 2;

struct Shared {
    plan: Option<Arc<dyn ExecutionPlan>>,
    stream: Option<SendableRecordBatchStream>,
    ended: bool,
    readers: Vec<Reader>,
}

struct Reader {
    waiting: VecDeque<RecordBatch>,
    waker: Option<Waker>,
    gone: bool,
}

/// A shared dataset; hands out one plan node per reader.
pub struct Tee {
    shared: Arc<Mutex<Shared>>,
    schema: SchemaRef,
}

impl Tee {
    /// Shares the rows of a plan.
    pub fn new(plan: Arc<dyn ExecutionPlan>) -> Tee {
        let schema = plan.schema();
        let shared = Shared { plan: Some(plan), stream: None, ended: false, readers: Vec::new() };
        Tee { shared: Arc::new(Mutex::new(shared)), schema }
    }

    /// One more reader.
    pub fn reader(&self) -> DfResult<Arc<dyn ExecutionPlan>> {
        let number = {
            let mut shared = lock(&self.shared)?;
            shared.readers.push(Reader { waiting: VecDeque::new(), waker: None, gone: false });
            shared.readers.len() - 1
        };
        let shared = self.shared.clone();
        Ok(StreamExec::plan("Tee", self.schema.clone(), move |context| {
            Ok(TeeStream { shared, number, context }.boxed())
        }))
    }
}

fn lock(shared: &Mutex<Shared>) -> Result<MutexGuard<'_, Shared>, Error> {
    shared.lock().map_err(|_| internal!("a shared dataset is poisoned"))
}

struct TeeStream {
    shared: Arc<Mutex<Shared>>,
    number: usize,
    context: Arc<TaskContext>,
}

impl Stream for TeeStream {
    type Item = DfResult<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let number = self.number;
        let mut guard = match lock(&self.shared) {
            Ok(guard) => guard,
            Err(error) => return Poll::Ready(Some(Err(error.into()))),
        };
        let shared = &mut *guard;
        if let Some(batch) = shared.readers[number].waiting.pop_front() {
            shared.readers.iter_mut().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
            return Poll::Ready(Some(Ok(batch)));
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        let behind = |(other, reader): (usize, &Reader)| {
            other != number && !reader.gone && reader.waiting.len() >= LEAD
        };
        if shared.readers.iter().enumerate().any(behind) {
            shared.readers[number].waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(plan) = shared.plan.take() {
            match plan.execute(0, self.context.clone()) {
                Ok(stream) => shared.stream = Some(stream),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let Some(stream) = shared.stream.as_mut() else { return Poll::Ready(None) };
        let next = match stream.poll_next_unpin(cx) {
            Poll::Ready(next) => next,
            Poll::Pending => return Poll::Pending,
        };
        let result = match next {
            Some(Ok(batch)) => {
                for (other, reader) in shared.readers.iter_mut().enumerate() {
                    if other != number && !reader.gone {
                        reader.waiting.push_back(batch.clone());
                    }
                }
                Some(Ok(batch))
            }
            other => {
                shared.ended = true;
                shared.stream = None;
                other
            }
        };
        shared.readers.iter_mut().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
        Poll::Ready(result)
    }
}

impl Drop for TeeStream {
    fn drop(&mut self) {
        if let Ok(mut shared) = lock(&self.shared) {
            let reader = &mut shared.readers[self.number];
            reader.gone = true;
            reader.waiting.clear();
            shared.readers.iter_mut().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
        }
    }
}
