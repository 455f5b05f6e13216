//! The local engine: stages in order, tasks on threads of this process.

mod ahead;
pub(crate) mod domain;
mod progress;
pub(crate) mod scratch;
mod store;
mod threads;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use nestflow_chain::{Ahead, Host};

use crate::blocks::Place;
use crate::error::{Error, Result};
use crate::executor::{LeafShare, Progress, Task, TaskEnv, run_task};
use crate::internal;
use crate::io::{LocalStorage, OutputJob, Split, Storage, TaskOutput, plan_splits};
use crate::memory::{FixedPool, Pool, PoolAdapter, TaskPool};
use crate::plan::flat::{FlatId, FlatOp, Sink};
use crate::plan::logical::{LogicalPlan, Node, Op, Target, TextSource};
use crate::plan::stage::{Exchange, OutputTo, Stage, StageGraph};
use crate::plan::wire;
use crate::planner::{Settings, plan, plan_pruned, prune};

pub use progress::{Report, StageReport};
use scratch::Scratch;
use store::LocalBlocks;
use threads::Threads;

/// Bytes of text that make a task.
const SPLIT_BYTES: u64 = 32 << 20;
/// Below so many bytes of input, everything is one channel: threads would cost more than they give.
const SMALL_INPUT: u64 = 256 << 10;
/// The share of the memory limit for blocks between stages; the rest is for tasks.
const BLOCKS_SHARE: f64 = 0.3;
/// The largest block that a channel collects before it is sent.
const BLOCK_BYTES: usize = 1 << 20;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that tasks and blocks may take together.
    pub memory_limit: usize,
    /// Tasks that run at a time.
    pub threads: usize,
    /// Where temporary files go.
    pub scratch: std::path::PathBuf,
}

/// One engine, for the life of a pipeline.
pub struct Local {
    options: Options,
    host: Arc<dyn Host>,
    storage: Arc<dyn Storage>,
    pool: Arc<dyn Pool>,
    blocks: Arc<LocalBlocks>,
    threads: Threads,
    /// The depth of each kept dataset.
    depths: Mutex<HashMap<u64, u32>>,
    context: Box<dyn Fn(Arc<dyn Pool>) -> Result<Arc<TaskContext>> + Send + Sync>,
    _scratch: Arc<Scratch>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Local {
    /// An engine whose user functions run in `host`.
    pub fn new(options: Options, host: Arc<dyn Host>) -> Result<Local> {
        let scratch = Arc::new(Scratch::new(&options.scratch)?);
        let pool: Arc<dyn Pool> = Arc::new(FixedPool::new(options.memory_limit));
        let block_budget = (options.memory_limit as f64 * BLOCKS_SHARE) as usize;
        let blocks = Arc::new(LocalBlocks::new(pool.clone(), block_budget, scratch.clone()));
        Ok(Local {
            threads: Threads::new(options.threads)?,
            context: Box::new(contexts(scratch.clone())?),
            storage: Arc::new(LocalStorage),
            depths: Mutex::new(HashMap::new()),
            options,
            host,
            pool,
            blocks,
            _scratch: scratch,
        })
    }

    /// Plans a run and says what it would do, without doing it.
    pub fn explain(&self, logical: &LogicalPlan) -> Result<StageGraph> {
        plan(logical, Settings { channels: self.options.threads as u32 * 2 })
    }

    /// Runs a plan to its end. `progress` is called from time to time on the calling thread; setting
    /// `cancelled` makes the run end with [`Error::Interrupted`].
    pub fn run(
        &self,
        plan_bytes: &[u8],
        cancelled: &Arc<AtomicBool>,
        progress: &mut dyn FnMut(&Report) -> Result<()>,
    ) -> Result<Report> {
        // Files that only held datasets came from are not even listed.
        let logical = prune(&wire::decode_plan(plan_bytes)?)?;
        let splits = self.splits(&logical)?;
        let input: u64 = splits.values().flatten().flat_map(|s| &s.pieces).map(|p| p.end - p.start).sum();
        let input = input + literal_bytes(&logical) + self.held_bytes(&logical);
        let channels = if input < SMALL_INPUT { 1 } else { self.options.threads as u32 * 2 };
        let graph = plan_pruned(&logical, Settings { channels })?;
        let run = Run::new(self, graph, splits, cancelled.clone())?;
        let result = run.execute(progress);
        run.end(result, &logical)
    }

    /// The rows of a kept dataset, in order: columns `k1 s1 … kd sd v`.
    pub fn kept(&self, cache: u64) -> Result<Vec<arrow::array::RecordBatch>> {
        let depths = self.depths.lock().map_err(|_| internal!("the list of kept datasets is poisoned"))?;
        let depth = *depths.get(&cache).ok_or_else(|| internal!("dataset {cache} is not kept"))?;
        self.blocks.kept(cache, depth)
    }

    /// Threads that a cancelled run left behind because they are inside user code, by their system
    /// handle; they end with what they do.
    pub fn stuck(&self) -> Vec<u64> {
        self.threads.stuck()
    }

    /// Forgets a kept dataset.
    pub fn release(&self, cache: u64) {
        self.blocks.release(Place::Kept(cache));
    }

    fn splits(&self, logical: &LogicalPlan) -> Result<HashMap<TextSource, Vec<Split>>> {
        let mut splits = HashMap::new();
        for node in read_nodes(logical) {
            if let Op::Text(source) = &node.op {
                let files = crate::io::paths::expand(self.storage.as_ref(), &source.paths)
                    .map_err(|error| error.at(logical.site(node)))?;
                splits.insert(source.clone(), plan_splits(&files, SPLIT_BYTES, self.options.threads * 2));
            }
        }
        Ok(splits)
    }

    fn held_bytes(&self, logical: &LogicalPlan) -> u64 {
        logical.materialized.iter().map(|held| self.blocks.total(Place::Kept(held.cache))).sum()
    }
}

/// The root nodes that are executed, not held.
fn read_nodes(logical: &LogicalPlan) -> impl Iterator<Item = &Node> {
    let held = |node: &&Node| logical.materialized.iter().all(|held| held.node != node.id);
    logical.root.nodes.iter().filter(held)
}

fn literal_bytes(logical: &LogicalPlan) -> u64 {
    let own = read_nodes(logical).map(|node| match &node.op {
        Op::Literal { blocks } => blocks.iter().map(|block| block.len() as u64).sum(),
        _ => 0,
    });
    own.sum()
}

/// Makes DataFusion contexts over the pool of a task; all spill into the engine's folder.
pub(crate) fn contexts(
    scratch: Arc<Scratch>,
) -> Result<impl Fn(Arc<dyn Pool>) -> Result<Arc<TaskContext>> + Send + Sync> {
    let folder = scratch.folder("spill")?;
    Ok(move |pool: Arc<dyn Pool>| {
        // Spilling asks for a little memory when there is none left: set it aside in proportion.
        let reserve = (pool.limit() / 8).min(10 << 20);
        let config = SessionConfig::new()
            .with_batch_size(8192)
            .with_sort_spill_reservation_bytes(reserve)
            .with_sort_in_place_threshold_bytes(reserve.min(1 << 20));
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(PoolAdapter(pool)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let none = HashMap::new;
        Ok(Arc::new(TaskContext::new(
            None,
            "nestflow".into(),
            config,
            none(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            runtime,
        )))
    })
}

/// One run: the stages, what they have produced, and the outputs that appear at its end.
struct Run<'a> {
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
    fn new(
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
                        depths.map_err(|_| internal!("the list of kept datasets is poisoned"))?.insert(*cache, depth);
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

    fn execute(&self, progress: &mut dyn FnMut(&Report) -> Result<()>) -> Result<Report> {
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

    fn leaf_shares(&self, stage: &Stage, id: FlatId, tasks_of: &HashMap<u32, usize>) -> Result<domain::Shares> {
        let channels = |count: usize| domain::Shares::Each((0..count as u32).map(LeafShare::Channel).collect());
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
                let exchange =
                    self.exchanges.get(*exchange as usize).ok_or_else(|| internal!("no exchange {exchange}"))?;
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
    fn end(self, result: Result<Report>, logical: &LogicalPlan) -> Result<Report> {
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
        committed
    }
}

/// What a stage does, in a few words: the user's transforms in order.
pub(crate) fn label(stage: &Stage) -> String {
    let mut words: Vec<&str> = Vec::new();
    for site in stage.nodes.iter().filter_map(|node| node.site.as_ref()) {
        if !words.contains(&site.transform.as_str()) {
            words.push(&site.transform);
        }
    }
    words.join(" · ")
}
