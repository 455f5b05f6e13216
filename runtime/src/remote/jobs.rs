//! A plan becomes a job: stages, their tasks, and the channels by which blocks move between them.
//!
//! Runs in the client, which is where files are listed and text outputs begin and end. All that is
//! measured is measured here; whoever schedules the job decides nothing.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::copies;
use super::hosts::Hosts;
use super::job::*;
use super::planning::{Settings, measured};
use super::report::blocks;
use crate::error::Result;
use crate::executor::LeafShare;
use crate::internal;
use crate::io::{OutputJob, Storage, TaskOutput, Written, is_local};
use crate::local::domain;
use crate::local::sources::Splits;
use crate::plan::flat::{ExchangeKind, FlatId, FlatNode, FlatOp, Sink};
use crate::plan::stage::{Exchange, Output, OutputTo, Spread, Stage, StageGraph};
use crate::plan::wire;
use crate::planner;

/// A dataset that a run keeps.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// Its name.
    pub cache: u64,
    /// Its depth.
    pub depth: u32,
    /// Its parts.
    pub tasks: u32,
    /// How its rows lie in them.
    pub spread: Spread,
}

/// A planned run.
pub struct Plan {
    /// What a scheduler is told.
    pub job: Job,
    /// What tasks are told, one after the other.
    pub bytes: Vec<u8>,
    /// The datasets that it keeps.
    pub keeps: Vec<Kept>,
    /// By stage and number of the output.
    outputs: Vec<((u32, usize), OutputJob)>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Plan {
    /// Makes the outputs of a run that has succeeded visible: of what was written, what the reports
    /// name. Dropped instead, there are none.
    pub fn commit(mut self, reports: &[u8]) -> Result<()> {
        let mut written: HashMap<(u32, usize), Vec<Written>> = HashMap::new();
        for report in blocks(reports)? {
            let Report { stage, output, written: part } = Report::decode(report)?;
            written.entry((stage, output as usize)).or_default().push(part);
        }
        for (at, job) in &mut self.outputs {
            let stage = self.job.stages.get(at.0 as usize);
            let tasks = stage.ok_or_else(|| internal!("no stage {}", at.0))?.tasks.len();
            job.take(tasks as u32, written.remove(at).unwrap_or_default())?;
        }
        OutputJob::commit_all(self.outputs.into_iter().map(|(_, job)| job).collect())
    }
}

/// Plans a run over files of `storage`, and begins its outputs.
pub fn plan_job(plan: &[u8], settings: &Settings, storage: &Arc<dyn Storage>) -> Result<Plan> {
    let logical = planner::prune(&wire::decode_plan(plan)?)?;
    let (mut splits, planned) = measured(&logical, settings, storage)?;
    copies::make(&mut splits, storage.as_ref())?;
    let graph = planner::plan_pruned(&logical, &planned)?;
    let (at, sinks): (Vec<_>, Vec<_>) = graph.texts().unzip();
    let outputs: Vec<_> = at.into_iter().zip(OutputJob::begin_all(storage, &sinks)?).collect();
    let texts: HashMap<_, _> = outputs.iter().map(|(at, job)| (*at, job.output().clone())).collect();
    let mut pieces = splits.values().flatten().flat_map(|split| &split.pieces);
    let remote_files = pieces.any(|piece| piece.copy.is_some() || !is_local(&piece.path))
        || texts.values().any(|text| !is_local(text.attempts()));
    let hosts = Hosts::new(storage.as_ref());
    let mut making =
        Making { graph: &graph, splits, settings, texts, hosts, tasks_of: Vec::new(), first: Vec::new() };
    let mut made = Made::default();
    for stage in &graph.stages {
        making.stage(stage, &mut made)?;
    }
    let build = super::BUILD_ID.into();
    let job = Job { version: 1, build, remote_files, stages: made.stages, results: made.results };
    Ok(Plan { job, bytes: made.bytes, keeps: made.keeps, outputs })
}

#[derive(Default)]
struct Made {
    stages: Vec<JobStage>,
    results: Vec<JobResult>,
    bytes: Vec<u8>,
    keeps: Vec<Kept>,
}

impl Made {
    fn put(&mut self, bytes: &[u8]) -> (u64, u64) {
        let from = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        (from, self.bytes.len() as u64)
    }
}

struct Making<'a> {
    graph: &'a StageGraph,
    splits: Splits,
    settings: &'a Settings,
    texts: HashMap<(u32, usize), TaskOutput>,
    hosts: Hosts<'a>,
    /// The tasks of each stage so far.
    tasks_of: Vec<u32>,
    /// The first channel of each output of each stage so far.
    first: Vec<Vec<u32>>,
}

impl Making<'_> {
    fn stage(&mut self, stage: &Stage, made: &mut Made) -> Result<()> {
        let kept = |cache| {
            let held = self.settings.kept.get(&cache).map(|held| held.tasks);
            held.ok_or_else(|| internal!("dataset {cache} is not kept"))
        };
        let known = domain::Known {
            splits: &self.splits,
            exchanges: &self.graph.exchanges,
            tasks_of: &self.tasks_of,
            kept: &kept,
            at_a_time: self.settings.cores as usize,
        };
        let shares = domain::tasks(stage, &|id| known.shares(&stage.nodes[id].op))?;
        let tasks = shares.len() as u32;
        let outputs = self.outputs(stage, tasks)?;
        let first: Vec<u32> = outputs.iter().map(|output| output.first).collect();
        let reads = self.reads(stage)?;
        // Where all that a stage puts out is one result, who reads that needs no shuffle for it.
        let effect = |to: &OutputTo| matches!(to, OutputTo::Sink(Sink::Files { .. } | Sink::Drain));
        let alone = matches!(stage.outputs.as_slice(), [only] if matches!(only.to, OutputTo::Sink(_)))
            || stage.outputs.iter().all(|output| effect(&output.to));
        let channels = if alone { 0 } else { outputs.iter().map(|output| output.channels).sum() };
        self.results(stage, &outputs, alone, tasks, made);
        let bytes = self.part(stage, &reads, first.clone())?.encode()?;
        let bytes = made.put(&bytes);
        let mut job_tasks = Vec::new();
        for (ordinal, leaves) in (0..).zip(shares) {
            job_tasks.push(self.task(stage, ordinal, leaves, &reads, made)?);
        }
        self.tasks_of.push(tasks);
        self.first.push(first);
        made.stages.push(JobStage {
            id: stage.id,
            name: crate::local::label(stage),
            site: site(stage),
            bytes,
            channels,
            inputs: reads.iter().map(|read| read.from.clone()).collect(),
            outputs,
            tasks: job_tasks,
        });
        Ok(())
    }

    fn exchange(&self, number: u32) -> Result<&Exchange> {
        self.graph.exchanges.get(number as usize).ok_or_else(|| internal!("no exchange {number}"))
    }

    fn outputs(&self, stage: &Stage, tasks: u32) -> Result<Vec<JobOutput>> {
        let mut next = 0;
        let mut outputs = Vec::new();
        for output in &stage.outputs {
            let (kind, channels) = match &output.to {
                OutputTo::Exchange { exchange, .. } => {
                    let exchange = self.exchange(*exchange)?;
                    match exchange.kind {
                        ExchangeKind::Hash { .. } => ("hash", exchange.channels),
                        ExchangeKind::Gather => ("gather", exchange.channels),
                        ExchangeKind::Broadcast => ("broadcast", exchange.channels),
                        ExchangeKind::Forward => ("forward", tasks),
                        ExchangeKind::Direct { .. } => ("direct", exchange.channels),
                        ExchangeKind::Sorted { .. } => ("sorted", exchange.channels),
                        ExchangeKind::RoundRobin { .. } => ("round_robin", exchange.channels),
                    }
                }
                OutputTo::Sink(Sink::Keep(_)) => ("keep", tasks),
                // What is written is reported to the client.
                OutputTo::Sink(Sink::Files { .. }) => ("files", 1),
                OutputTo::Sink(Sink::Drain) => ("drain", 0),
            };
            outputs.push(JobOutput { kind, first: next, channels });
            next += channels;
        }
        Ok(outputs)
    }

    fn results(&self, stage: &Stage, outputs: &[JobOutput], alone: bool, tasks: u32, made: &mut Made) {
        let channels =
            |output: &JobOutput| (!alone).then_some((output.first, output.first + output.channels));
        let (mut reports, mut effects) = (false, false);
        for (output, asked) in outputs.iter().zip(&stage.outputs) {
            match &asked.to {
                OutputTo::Exchange { .. } => {}
                OutputTo::Sink(Sink::Keep(cache)) => {
                    let depth = stage.nodes[asked.node].depth;
                    let spread = self.graph.spread_of(*cache);
                    made.keeps.push(Kept { cache: *cache, depth, tasks, spread });
                    let (channels, cache) = (channels(output), Some(*cache));
                    made.results.push(JobResult { kind: "keep", stage: stage.id, channels, cache });
                }
                // All reports of a stage that puts out nothing else are read at once.
                OutputTo::Sink(Sink::Files { .. }) if reports && alone => {}
                OutputTo::Sink(Sink::Files { .. }) => {
                    reports = true;
                    let channels = channels(output);
                    made.results.push(JobResult { kind: "files", stage: stage.id, channels, cache: None });
                }
                OutputTo::Sink(Sink::Drain) => effects = true,
            }
        }
        // Whoever reads a stage's channels makes it run. One without any has to be asked for.
        if effects && outputs.iter().all(|output| output.channels == 0) {
            made.results.push(JobResult { kind: "run", stage: stage.id, channels: None, cache: None });
        }
    }

    /// What a stage reads: each producer of each exchange once, each kept dataset once.
    fn reads(&self, stage: &Stage) -> Result<Vec<Read>> {
        let mut reads: Vec<Read> = Vec::new();
        let mut add = |read: Read| {
            if reads.iter().all(|known| known.source != read.source) {
                reads.push(read);
            }
        };
        for node in &stage.nodes {
            match node.op {
                FlatOp::Held { cache } => {
                    add(Read { source: Source::Kept(cache), from: JobInput::Kept(cache), first: 0 });
                }
                FlatOp::Read { exchange } => {
                    for from in &self.exchange(exchange)?.producers {
                        for read in self.produced(exchange, *from)? {
                            add(read);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(reads)
    }

    /// What a stage puts into an exchange.
    fn produced(&self, number: u32, from: u32) -> Result<Vec<Read>> {
        let stage = self.graph.stages.get(from as usize).ok_or_else(|| internal!("no stage {from}"))?;
        let first = self.first.get(from as usize).ok_or_else(|| internal!("stage {from} comes later"))?;
        let outputs = stage.outputs.iter().zip(first);
        Ok(outputs
            .filter_map(|(output, &first)| match output.to {
                OutputTo::Exchange { exchange, producer } if exchange == number => Some(Read {
                    source: Source::Exchange { exchange, producer },
                    from: JobInput::Stage(from),
                    first,
                }),
                _ => None,
            })
            .collect())
    }

    fn part(&self, stage: &Stage, reads: &[Read], first: Vec<u32>) -> Result<StagePart> {
        let mut stage = stage.clone();
        for node in &mut stage.nodes {
            if let FlatOp::Literal(blocks) = &mut node.op {
                blocks.clear();
            }
        }
        let texts = (0..stage.outputs.len()).filter_map(|number| {
            self.texts.get(&(stage.id, number)).map(|text| (number as u32, text.clone()))
        });
        let of_node = |node: &FlatNode| match node.op {
            FlatOp::Held { cache } => Some(cache),
            _ => None,
        };
        let of_output = |output: &Output| match output.to {
            OutputTo::Sink(Sink::Keep(cache)) => Some(cache),
            _ => None,
        };
        let caches = stage.nodes.iter().filter_map(of_node).chain(stage.outputs.iter().filter_map(of_output));
        let form = |cache| self.settings.forms.get(&cache).map(|form| (cache, form.clone()));
        Ok(StagePart {
            forms: caches.filter_map(form).collect(),
            texts: texts.collect(),
            stage,
            exchanges: self.graph.exchanges.clone(),
            inputs: reads.iter().map(|read| read.source).collect(),
            first,
            host: self.settings.host.clone(),
            compress: self.settings.compress,
        })
    }

    fn task(
        &mut self,
        stage: &Stage,
        ordinal: u32,
        leaves: Vec<(FlatId, LeafShare)>,
        reads: &[Read],
        made: &mut Made,
    ) -> Result<JobTask> {
        let mut literals = Vec::new();
        let mut channels = vec![Vec::new(); reads.len()];
        let splits = leaves.iter().filter_map(|(_, share)| match share {
            LeafShare::Split(split) => Some(&split.pieces),
            _ => None,
        });
        let hosts = self.hosts.of(splits.flatten());
        let mut shares = Vec::new();
        for (id, share) in leaves {
            let share = match (&stage.nodes[id].op, share) {
                (FlatOp::Literal(blocks), LeafShare::Literal(range)) => {
                    let own: Vec<_> = blocks.get(range).map(<[_]>::to_vec).unwrap_or_default();
                    let count = own.len();
                    literals.push((id, own));
                    LeafShare::Literal(0..count)
                }
                (op, LeafShare::Channel(channel)) => {
                    let of = |source: &Source| match (op, source) {
                        (FlatOp::Read { exchange: a }, Source::Exchange { exchange: b, .. }) => a == b,
                        (FlatOp::Held { cache: a }, Source::Kept(b)) => a == b,
                        _ => false,
                    };
                    for (read, channels) in reads.iter().zip(&mut channels) {
                        let number = read.first + channel;
                        if of(&read.source) && !channels.contains(&number) {
                            channels.push(number);
                        }
                    }
                    LeafShare::Channel(channel)
                }
                (_, share) => share,
            };
            shares.push((id, share));
        }
        let bytes = TaskPart { ordinal, leaves: shares, literals }.encode()?;
        Ok(JobTask { bytes: made.put(&bytes), reads: channels, hosts })
    }
}

/// Something that a stage reads.
struct Read {
    source: Source,
    from: JobInput,
    /// The number of its first channel.
    first: u32,
}

/// The user's last line that a stage comes from.
fn site(stage: &Stage) -> String {
    let site = stage.nodes.iter().rev().find_map(|node| node.site.as_ref());
    site.map_or(String::new(), |site| format!("{}:{}", site.file, site.line))
}
