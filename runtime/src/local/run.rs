//! One run of the local engine: stages in order, the tasks of each on the engine's threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nestflow_chain::Ahead;

use super::progress::{Report, StageReport};
use super::{BLOCK_BYTES, BLOCKS_SHARE, Local, ahead, domain, label, threads};
use crate::blocks::Place;
use crate::error::{Error, Result};
use crate::executor::{LeafShare, Progress, Task, TaskEnv, run_task};
use crate::internal;
use crate::io::{OutputJob, Split, TaskOutput};
use crate::memory::{Pool, TaskPool};
use crate::plan::flat::{FlatId, FlatOp, Sink};
use crate::plan::logical::{LogicalPlan, Target, TextSource};
use crate::plan::stage::{Exchange, OutputTo, Stage, StageGraph};
use crate::plan::wire;

/// One run: the stages, what they have produced, and the outputs that appear at its end.
pub(super) struct Run<'a> {
    engine: &'a Local,
    stages: Vec<Arc<Stage>>,
    exchanges: Arc<Vec<Exchange>>,
    splits: HashMap<TextSource, Vec<Split>>,
    jobs: HashMap<(u32, usize), OutputJob>,
    cancelled: Arc<AtomicBool>,
    /// Stages that read an exchange last, to free it early.
    last_reader: HashMap<u32, u32>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Local,
        graph: StageGraph,
        splits: HashMap<TextSource, Vec<Split>>,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Run<'a>> {
        let mut stages = Vec::new();
        let mut last_reader = HashMap::new();
        let mut sinks = Vec::new();
        for stage in &graph.stages {
            // Stages travel as bytes here too: what runs is what an executor far away would get.
            let stage = wire::decode_stage(&wire::encode_stage(stage)?)?;
            for node in &stage.nodes {
                if let FlatOp::Read { exchange } = node.op {
                    last_reader.insert(exchange, stage.id);
                }
            }
            for (number, output) in stage.outputs.iter().enumerate() {
                match &output.to {
                    OutputTo::Sink(Sink::Text { sink, .. }) => {
                        sinks.push(((stage.id, number), sink.clone(), stage.nodes[output.node].site.clone()));
                    }
                    OutputTo::Sink(Sink::Keep(cache)) => {
                        let depth = stage.nodes[output.node].depth;
                        let depths = engine.depths.lock();
                        depths
                            .map_err(|_| internal!("the list of kept datasets is poisoned"))?
                            .insert(*cache, depth);
                    }
                    _ => {}
                }
            }
            stages.push(Arc::new(stage));
        }
        let refs: Vec<_> = sinks.iter().map(|(_, sink, site)| (sink, site.as_ref())).collect();
        let jobs = OutputJob::begin_all(&engine.storage, &refs)?;
        let jobs = sinks.iter().map(|(at, ..)| *at).zip(jobs).collect();
        let exchanges = Arc::new(graph.exchanges);
        Ok(Run { engine, stages, exchanges, splits, jobs, cancelled, last_reader })
    }

    pub(super) fn execute(&self, progress: &mut dyn FnMut(&Report) -> Result<()>) -> Result<Report> {
        let mut report = Report { planned: self.stages.len(), ..Report::default() };
        // Tasks of each stage, for what reads it task by task.
        let mut tasks_of: HashMap<u32, usize> = HashMap::new();
        for stage in &self.stages {
            let shares = domain::tasks(stage, &|id| self.leaf_shares(stage, id, &tasks_of))?;
            tasks_of.insert(stage.id, shares.len());
            self.stage(stage, shares, &mut report, progress)?;
            for (exchange, reader) in &self.last_reader {
                if *reader == stage.id {
                    self.engine.blocks.release(Place::Exchange(*exchange));
                }
            }
        }
        Ok(report)
    }

    fn leaf_shares(
        &self,
        stage: &Stage,
        id: FlatId,
        tasks_of: &HashMap<u32, usize>,
    ) -> Result<domain::Shares> {
        let channels =
            |count: usize| domain::Shares::Each((0..count as u32).map(LeafShare::Channel).collect());
        match &stage.nodes[id].op {
            FlatOp::Text(source) => {
                let splits = self.splits.get(source).ok_or_else(|| internal!("files were not listed"))?;
                Ok(domain::Shares::Each(splits.iter().cloned().map(LeafShare::Split).collect()))
            }
            FlatOp::Literal(blocks) => {
                let per_task = blocks.len().div_ceil(self.engine.options.threads * 2).max(1);
                let starts = (0..blocks.len().max(1)).step_by(per_task);
                let shares = starts.map(|at| LeafShare::Literal(at..(at + per_task).min(blocks.len())));
                Ok(domain::Shares::Each(shares.collect()))
            }
            FlatOp::Held { cache } => Ok(channels(self.engine.blocks.channels(Place::Kept(*cache)).max(1))),
            FlatOp::Read { exchange } => {
                use crate::plan::flat::ExchangeKind as Kind;
                let exchange = self
                    .exchanges
                    .get(*exchange as usize)
                    .ok_or_else(|| internal!("no exchange {exchange}"))?;
                Ok(match exchange.kind {
                    Kind::Broadcast => domain::Shares::All(LeafShare::Channel(0)),
                    Kind::Forward => channels(tasks_of.get(&exchange.producers[0]).copied().unwrap_or(1)),
                    _ => channels(exchange.channels as usize),
                })
            }
            op => Err(internal!("{op} is not a leaf")),
        }
    }

    fn stage(
        &self,
        stage: &Arc<Stage>,
        shares: Vec<Vec<(FlatId, LeafShare)>>,
        report: &mut Report,
        progress: &mut dyn FnMut(&Report) -> Result<()>,
    ) -> Result<()> {
        let started = Instant::now();
        let done = Arc::new(Progress::default());
        let tasks = shares.len();
        let index = report.stages.len();
        report.stages.push(StageReport { stage: stage.id, tasks, label: label(stage), ..Default::default() });
        let concurrency = tasks.clamp(1, self.engine.options.threads);
        let bytes = ahead::bytes(stage, &self.splits, &self.engine.blocks);
        self.engine.host.prepare(Ahead { tasks, at_a_time: concurrency, bytes });
        let for_tasks = self.engine.options.memory_limit as f64 * (1.0 - BLOCKS_SHARE);
        let share = (for_tasks / concurrency as f64) as usize;
        let outputs: HashMap<_, TaskOutput> =
            self.jobs.iter().map(|(at, job)| (*at, job.output().clone())).collect();
        let outputs: Arc<dyn Fn(u32, usize) -> Option<TaskOutput> + Send + Sync> =
            Arc::new(move |stage, number| outputs.get(&(stage, number)).cloned());
        let widest = stage.outputs.iter().map(|output| match &output.to {
            OutputTo::Exchange { exchange, .. } => self.exchanges[*exchange as usize].channels.max(1),
            OutputTo::Sink(_) => 1,
        });
        let open_blocks = widest.sum::<u32>().max(1) as usize;
        let block_bytes = (share / 4 / open_blocks).clamp(16 << 10, BLOCK_BYTES);
        let mut jobs: Vec<threads::Job> = Vec::new();
        for (ordinal, leaves) in shares.into_iter().enumerate() {
            let task = Task {
                stage: stage.clone(),
                exchanges: self.exchanges.clone(),
                ordinal: ordinal as u32,
                leaves,
            };
            let pool: Arc<dyn Pool> = Arc::new(TaskPool::new(self.engine.pool.clone(), share));
            let env = TaskEnv {
                context: (self.engine.context)(pool.clone())?,
                pool,
                blocks: self.engine.blocks.clone(),
                host: self.engine.host.clone(),
                storage: self.engine.storage.clone(),
                outputs: outputs.clone(),
                cancelled: self.cancelled.clone(),
                progress: done.clone(),
                block_bytes,
            };
            jobs.push(Box::new(move |runtime| {
                env.check_cancelled()?;
                tracing::debug!(stage = task.stage.id, task = task.ordinal, "task starts");
                runtime.block_on(run_task(&task, &env))
            }));
        }
        let mut update = |finished: usize| {
            let stage = &mut report.stages[index];
            stage.finished = finished;
            stage.rows_in = done.rows_in.load(Ordering::Relaxed);
            stage.rows_out = done.rows_out.load(Ordering::Relaxed);
            stage.bytes_out = done.bytes_out.load(Ordering::Relaxed);
            stage.seconds = started.elapsed().as_secs_f64();
            progress(report)
        };
        self.engine.threads.run(jobs, &self.cancelled, &mut update)?;
        let seconds = started.elapsed().as_secs_f64();
        let rows = done.rows_in.load(Ordering::Relaxed);
        tracing::info!(stage = stage.id, tasks, rows, seconds, "{}", label(stage));
        Ok(())
    }

    /// Makes the results of a successful run visible, or removes what a failed one left.
    pub(super) fn end(self, result: Result<Report>, logical: &LogicalPlan) -> Result<Report> {
        for exchange in self.exchanges.iter() {
            self.engine.blocks.release(Place::Exchange(exchange.id));
        }
        let committed = result.and_then(|report| {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            OutputJob::commit_all(self.jobs.into_values().collect())?;
            Ok(report)
        });
        if committed.is_err() {
            for target in &logical.targets {
                if let Target::Keep { cache, .. } = target {
                    self.engine.blocks.release(Place::Kept(*cache));
                }
            }
        }
        committed.map_err(|error| error.in_folder(&self.engine.options.scratch))
    }
}
