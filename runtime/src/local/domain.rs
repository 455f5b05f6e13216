//! Which tasks a stage has, and which share of each leaf a task reads.

use super::sources::{Splits, parts};
use crate::error::Result;
use crate::executor::LeafShare;
use crate::internal;
use crate::plan::flat::{ExchangeKind, FlatId, FlatOp};
use crate::plan::stage::{Exchange, Stage};

/// The shares of a leaf.
pub enum Shares {
    /// One for each task.
    Each(Vec<LeafShare>),
    /// The same for all tasks.
    All(LeafShare),
}

/// What is known of the leaves of a stage once the stages before it have their tasks.
pub struct Known<'a> {
    /// Of the files.
    pub splits: &'a Splits,
    /// Of the whole run.
    pub exchanges: &'a [Exchange],
    /// The tasks of each stage so far.
    pub tasks_of: &'a [u32],
    /// The parts of a kept dataset.
    pub kept: &'a dyn Fn(u64) -> Result<u32>,
    /// Tasks that run at a time.
    pub at_a_time: usize,
}

impl Known<'_> {
    /// The shares of a leaf.
    pub fn shares(&self, leaf: &FlatOp) -> Result<Shares> {
        let channels = |count: u32| Shares::Each((0..count).map(LeafShare::Channel).collect());
        match leaf {
            FlatOp::Files(source) => {
                let splits = self.splits.get(source).ok_or_else(|| internal!("files were not listed"))?;
                Ok(Shares::Each(splits.iter().cloned().map(LeafShare::Split).collect()))
            }
            FlatOp::Literal(blocks) => {
                let per_task = blocks.len().div_ceil(parts(self.at_a_time)).max(1);
                let starts = (0..blocks.len().max(1)).step_by(per_task);
                let shares = starts.map(|at| LeafShare::Literal(at..(at + per_task).min(blocks.len())));
                Ok(Shares::Each(shares.collect()))
            }
            FlatOp::Held { cache } => Ok(channels((self.kept)(*cache)?.max(1))),
            FlatOp::Read { exchange } => {
                let known = self.exchanges.get(*exchange as usize);
                let exchange = known.ok_or_else(|| internal!("no exchange {exchange}"))?;
                let tasks_of = |stage: &u32| self.tasks_of.get(*stage as usize).copied();
                Ok(match exchange.kind {
                    ExchangeKind::Broadcast => Shares::All(LeafShare::Channel(0)),
                    ExchangeKind::Forward => {
                        channels(exchange.producers.first().and_then(tasks_of).unwrap_or(1))
                    }
                    _ => channels(exchange.channels),
                })
            }
            op => Err(internal!("{op} is not a leaf")),
        }
    }
}

type Leaves = Vec<(FlatId, LeafShare)>;

/// Leaves of each task, and leaves that all tasks read.
#[derive(Default)]
struct Domain {
    each: Vec<Leaves>,
    all: Leaves,
}

impl Domain {
    /// Task by task: task i has the leaves of both.
    fn beside(&mut self, other: Domain) -> Result<()> {
        if !self.each.is_empty() && !other.each.is_empty() && self.each.len() != other.each.len() {
            return Err(internal!("a stage over {} and {} parts at once", self.each.len(), other.each.len()));
        }
        self.each.resize_with(self.each.len().max(other.each.len()), Vec::new);
        for (mine, theirs) in self.each.iter_mut().zip(other.each) {
            add(mine, theirs);
        }
        add(&mut self.all, other.all);
        Ok(())
    }
}

fn add(leaves: &mut Leaves, more: Leaves) {
    for (id, share) in more {
        if leaves.iter().all(|(known, _)| *known != id) {
            leaves.push((id, share));
        }
    }
}

/// The leaves of each task of a stage; there is at least one task.
pub fn tasks(stage: &Stage, shares: &dyn Fn(FlatId) -> Result<Shares>) -> Result<Vec<Leaves>> {
    let mut whole = Domain::default();
    for output in &stage.outputs {
        whole.beside(domain(stage, output.node, shares)?)?;
    }
    whole.each.resize_with(whole.each.len().max(1), Vec::new);
    for leaves in &mut whole.each {
        add(leaves, whole.all.clone());
    }
    Ok(whole.each)
}

fn domain(stage: &Stage, id: FlatId, shares: &dyn Fn(FlatId) -> Result<Shares>) -> Result<Domain> {
    let node = &stage.nodes[id];
    if node.inputs.is_empty() {
        return Ok(match shares(id)? {
            Shares::Each(each) => {
                Domain { each: each.into_iter().map(|share| vec![(id, share)]).collect(), all: vec![] }
            }
            Shares::All(share) => Domain { each: vec![], all: vec![(id, share)] },
        });
    }
    let mut whole = Domain::default();
    for &input in &node.inputs {
        let part = domain(stage, input, shares)?;
        match node.op {
            FlatOp::Union { aligned: false } => {
                whole.each.extend(part.each);
                add(&mut whole.all, part.all);
            }
            _ => whole.beside(part)?,
        }
    }
    Ok(whole)
}
