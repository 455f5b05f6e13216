//! One run of the local engine: stages in order, the tasks of each on the engine's threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nestflow_chain::{Ahead, CountingHost, Host, Tally};

use super::progress::{Report, StageReport};
use super::sources::Splits;
use super::{BLOCKS_SHARE, Local, ahead, domain, label, threads};
use crate::blocks::Place;
use crate::error::{Error, Result};
use crate::executor::{LeafShare, Progress, Task, TaskEnv, run_task};
use crate::io::{OutputJob, Storage, TaskOutput, Written};
use crate::memory::{Pool, TaskPool};
use crate::plan::flat::{FlatId, FlatOp, Sink};
use crate::plan::logical::{LogicalPlan, Target};
use crate::plan::stage::{Exchange, OutputTo, Stage, StageGraph};
use crate::plan::wire;

/// Parts of text outputs, by stage and number of the output.
type Parts = HashMap<(u32, usize), Vec<Written>>;

/// One run: the stages, what they have produced, and the outputs that appear at its end.
pub(super) struct Run<'a> {
    engine: &'a Local,
    stages: Vec<Arc<Stage>>,
    exchanges: Arc<Vec<Exchange>>,
    splits: Splits,
    jobs: HashMap<(u32, usize), OutputJob>,
    /// What tasks have written for them.
    written: Arc<Mutex<Parts>>,
    cancelled: Arc<AtomicBool>,
    host: Arc<dyn Host>,
    /// What user functions count.
    tally: Arc<Tally>,
    /// Stages that read an exchange last, to free it early.
    last_reader: HashMap<u32, u32>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Local,
        graph: StageGraph,
        splits: Splits,
        cancelled: Arc<AtomicBool>,
        host: Arc<dyn Host>,
    ) -> Result<Run<'a>> {
        let mut stages = Vec::new();
        let mut last_reader = HashMap::new();
        for stage in &graph.stages {
            // Stages travel as bytes here too: what runs is what an executor far away would get.
            let stage = wire::decode_stage(&wire::encode_stage(stage)?)?;
            for node in &stage.nodes {
                if let FlatOp::Read { exchange } = node.op {
                    last_reader.insert(exchange, stage.id);
                }
            }
            for output in &stage.outputs {
                if let OutputTo::Sink(Sink::Keep(cache)) = &output.to {
                    let depth = stage.nodes[output.node].depth;
                    engine.known()?.insert(*cache, (depth, graph.spread_of(*cache)));
                }
            }
            stages.push(Arc::new(stage));
        }
        let (at, sinks): (Vec<_>, Vec<_>) = graph.texts().unzip();
        let storage: Arc<dyn Storage> = engine.files.clone();
        let jobs = at.into_iter().zip(OutputJob::begin_all(&storage, &sinks)?).collect();
        let exchanges = Arc::new(graph.exchanges);
        let written = Arc::default();
        let tally = Arc::new(Tally::default());
        let host = Arc::new(CountingHost { host, tally: tally.clone() });
        Ok(Run { engine, stages, exchanges, splits, jobs, written, cancelled, host, tally, last_reader })
    }

    pub(super) fn execute(&self, progress: &mut dyn FnMut(&Report) -> Result<()>) -> Result<Report> {
        let mut report = Report { planned: self.stages.len(), ..Report::default() };
        let blocks = &self.engine.blocks;
        let mut tasks_of: Vec<u32> = Vec::new();
        for stage in &self.stages {
            let known = domain::Known {
                splits: &self.splits,
                exchanges: &self.exchanges,
                tasks_of: &tasks_of,
                kept: &|cache| Ok(blocks.channels(Place::Kept(cache)) as u32),
                at_a_time: self.engine.options.threads,
            };
            let shares = domain::tasks(stage, &|id| known.shares(&stage.nodes[id].op))?;
            tasks_of.push(shares.len() as u32);
            self.stage(stage, shares, &mut report, progress)?;
            for (exchange, reader) in &self.last_reader {
                if *reader == stage.id {
                    blocks.release(Place::Exchange(*exchange));
                }
            }
        }
        Ok(report)
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
        self.host.prepare(Ahead { tasks, at_a_time: concurrency, bytes });
        let for_tasks = self.engine.options.memory_limit as f64 * (1.0 - BLOCKS_SHARE);
        let share = (for_tasks / concurrency as f64) as usize;
        let outputs: HashMap<_, TaskOutput> =
            self.jobs.iter().map(|(at, job)| (*at, job.output().clone())).collect();
        let outputs: Arc<dyn Fn(u32, usize) -> Option<TaskOutput> + Send + Sync> =
            Arc::new(move |stage, number| outputs.get(&(stage, number)).cloned());
        let written = self.written.clone();
        let written: Arc<dyn Fn(u32, usize, Written) -> Result<()> + Send + Sync> =
            Arc::new(move |stage, number, part| {
                let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
                written.entry((stage, number)).or_default().push(part);
                Ok(())
            });
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
                host: self.host.clone(),
                files: self.engine.files.clone(),
                outputs: outputs.clone(),
                written: written.clone(),
                cancelled: self.cancelled.clone(),
                progress: done.clone(),
                compress: false,
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
            stage.spilled = done.spilled.load(Ordering::Relaxed);
            stage.host_seconds = Duration::from_nanos(done.host_nanos.load(Ordering::Relaxed)).as_secs_f64();
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
    pub(super) fn end(mut self, result: Result<Report>, logical: &LogicalPlan) -> Result<Report> {
        for exchange in self.exchanges.iter() {
            self.engine.blocks.release(Place::Exchange(exchange.id));
        }
        let committed = result.and_then(|mut report| {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let cancelled = self.cancelled.clone();
            let go_on = || match cancelled.load(Ordering::Relaxed) {
                true => Err(Error::Interrupted),
                false => Ok(()),
            };
            let mut written =
                std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
            for (at, job) in &mut self.jobs {
                let tasks =
                    report.stages.iter().find(|stage| stage.stage == at.0).map_or(0, |stage| stage.tasks);
                job.take(tasks as u32, written.remove(at).unwrap_or_default())?;
                job.join_parts(self.engine.files.as_ref(), &go_on)?;
            }
            OutputJob::commit_all(std::mem::take(&mut self.jobs).into_values().collect())?;
            report.counts = self.tally.take();
            Ok(report)
        });
        if committed.is_err() {
            for target in &logical.targets {
                if let Target::Keep { cache, .. } = target {
                    self.engine.release(*cache);
                }
            }
        }
        committed.map_err(|error| error.in_folder(&self.engine.options.scratch))
    }
}
