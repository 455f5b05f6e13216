//! Our operators as DataFusion plan nodes. The plumbing is here, once; an operator is a *tactic*
//! that transforms batches and can be tested alone.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result as DfResult};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use nestflow_chain::CallSite;

use super::Progress;
use crate::error::{Error, Result};
use crate::internal;

/// Batches in, batches out. `process` is called for each batch in order, then `finish` once; after
/// each of them `more` until it says that there is nothing.
pub trait Tactic: Send {
    /// Takes a batch and adds what comes out.
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()>;

    /// Adds a further part of what has to come out before the next input: what need not, or must
    /// not, be held all at once. Whether there was anything to do.
    fn more(&mut self, _out: &mut Vec<RecordBatch>) -> Result<bool> {
        Ok(false)
    }

    /// Adds what is left at the end of the input.
    fn finish(&mut self, _out: &mut Vec<RecordBatch>) -> Result<()> {
        Ok(())
    }

    /// Whether more input can change anything.
    fn done(&self) -> bool {
        false
    }
}

type Make = Box<dyn FnOnce(Arc<TaskContext>) -> DfResult<BoxStream<'static, DfResult<RecordBatch>>> + Send>;

/// A plan node around a stream that is made when it is executed, once.
pub struct StreamExec {
    name: &'static str,
    properties: Arc<PlanProperties>,
    make: Mutex<Option<Make>>,
}

impl StreamExec {
    /// A node whose rows come from what `make` gives.
    pub fn plan(
        name: &'static str,
        schema: SchemaRef,
        make: impl FnOnce(Arc<TaskContext>) -> DfResult<BoxStream<'static, DfResult<RecordBatch>>>
        + Send
        + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        StreamExec::with_properties(name, EquivalenceProperties::new(schema), make)
    }

    /// The same, where more is known about the rows.
    pub fn with_properties(
        name: &'static str,
        known: EquivalenceProperties,
        make: impl FnOnce(Arc<TaskContext>) -> DfResult<BoxStream<'static, DfResult<RecordBatch>>>
        + Send
        + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        let properties = PlanProperties::new(
            known,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Arc::new(StreamExec {
            name,
            properties: Arc::new(properties),
            make: Mutex::new(Some(Box::new(make))),
        })
    }

    /// The rows of a plan; its errors say where it stands in the user's program, and what it spills is counted.
    pub fn located(
        plan: Arc<dyn ExecutionPlan>,
        site: Option<CallSite>,
        progress: Arc<Progress>,
    ) -> Arc<dyn ExecutionPlan> {
        StreamExec::with_properties("Located", plan.properties().eq_properties.clone(), move |context| {
            let place = move |error: DataFusionError| Error::from(error).at(site.as_ref()).into();
            let rows = plan.execute(0, context).map_err(&place)?;
            let counted = Spills { plan, progress };
            Ok(rows
                .map(move |batch| {
                    let _ = &counted; // Named, so that the stream keeps it until it ends.
                    batch.map_err(&place)
                })
                .boxed())
        })
    }

    /// A node that runs a tactic over its input.
    pub fn tactic(
        name: &'static str,
        schema: SchemaRef,
        input: Arc<dyn ExecutionPlan>,
        tactic: Box<dyn Tactic>,
    ) -> Arc<dyn ExecutionPlan> {
        StreamExec::plan(name, schema, move |context| Ok(run_tactic(input.execute(0, context)?, tactic)))
    }
}

/// The stream of a tactic: pulls input until something comes out.
fn run_tactic(
    input: SendableRecordBatchStream,
    tactic: Box<dyn Tactic>,
) -> BoxStream<'static, DfResult<RecordBatch>> {
    enum State {
        Running(SendableRecordBatchStream, Box<dyn Tactic>),
        /// The input has ended.
        Finishing(Box<dyn Tactic>),
        Ended,
    }
    let state = (State::Running(input, tactic), Vec::new().into_iter());
    stream::try_unfold(state, |(mut state, mut ready): (State, std::vec::IntoIter<RecordBatch>)| async move {
        loop {
            if let Some(batch) = ready.next() {
                return Ok(Some((batch, (state, ready))));
            }
            let mut out = Vec::new();
            state = match state {
                State::Running(mut input, mut tactic) => {
                    if tactic.more(&mut out)? {
                        State::Running(input, tactic)
                    } else if !tactic.done()
                        && let Some(batch) = input.next().await
                    {
                        tactic.process(batch?, &mut out)?;
                        State::Running(input, tactic)
                    } else {
                        tactic.finish(&mut out)?;
                        State::Finishing(tactic)
                    }
                }
                State::Finishing(mut tactic) => {
                    if tactic.more(&mut out)? {
                        State::Finishing(tactic)
                    } else {
                        State::Ended
                    }
                }
                State::Ended => return Ok(None),
            };
            out.retain(|batch| batch.num_rows() > 0);
            ready = out.into_iter();
        }
    })
    .boxed()
}

impl fmt::Debug for StreamExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl DisplayAs for StreamExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ExecutionPlan for StreamExec {
    fn name(&self) -> &str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let make = self.make.lock().map_err(|_| internal!("{} is poisoned", self.name))?.take();
        let make: Make =
            make.ok_or_else(|| DataFusionError::from(internal!("{} was executed twice", self.name)))?;
        let stream = make(context)?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }
}

/// Adds what an operator has spilled to the task's progress when its rows are no longer read.
struct Spills {
    plan: Arc<dyn ExecutionPlan>,
    progress: Arc<Progress>,
}

impl Drop for Spills {
    fn drop(&mut self) {
        self.progress.spilled.fetch_add(spilled(self.plan.as_ref()) as u64, Ordering::Relaxed);
    }
}

/// The bytes that a plan's operators have put into files; nodes of ours have no children.
fn spilled(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own + plan.children().into_iter().map(|child| spilled(child.as_ref())).sum::<usize>()
}
