//! Which tasks a stage has, and which share of each leaf a task reads.

use crate::error::Result;
use crate::executor::LeafShare;
use crate::internal;
use crate::plan::flat::{FlatId, FlatOp};
use crate::plan::stage::Stage;

/// The shares of a leaf.
pub enum Shares {
    /// One for each task.
    Each(Vec<LeafShare>),
    /// The same for all tasks.
    All(LeafShare),
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
