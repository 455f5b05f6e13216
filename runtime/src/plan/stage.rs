//! Stages: pieces of a flat plan between exchanges, as every engine executes them.

use nestflow_chain::CallSite;
use serde::{Deserialize, Serialize};

use super::flat::{Col, ExchangeKind, FlatId, FlatNode, Sink};
use super::logical::FileSink;

/// One stage: a small DAG of flat operators whose leaves are sources and `Read`s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its number; stages are in dependency order.
    pub id: u32,
    /// Operators in dependency order.
    pub nodes: Vec<FlatNode>,
    /// Where results go, in order.
    pub outputs: Vec<Output>,
}

/// One result of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The operator whose rows go out.
    pub node: FlatId,
    /// Where they go.
    pub to: OutputTo,
}

/// Where a result of a stage goes.
#[allow(clippy::large_enum_variant, reason = "a few in a plan")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputTo {
    /// Into an exchange, as its n-th producer.
    Exchange {
        /// The exchange.
        exchange: u32,
        /// Which of its producers.
        producer: u32,
    },
    /// To its final place.
    Sink(Sink),
}

/// An exchange between stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Its number.
    pub id: u32,
    /// How rows move.
    pub kind: ExchangeKind,
    /// Why it is there, for people.
    pub reason: String,
    /// The producing stages, in the order in which their rows are read.
    pub producers: Vec<u32>,
    /// The columns that travel.
    pub cols: Vec<Col>,
    /// The number of channels; 0 for `Forward`: as many as the producer has tasks.
    pub channels: u32,
}

/// A whole run: stages in dependency order and the exchanges between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageGraph {
    /// The stages.
    pub stages: Vec<Stage>,
    /// The exchanges, by number.
    pub exchanges: Vec<Exchange>,
}

impl StageGraph {
    /// The text outputs: stage and number of each, what it is, and where the user asked for it.
    pub fn texts(&self) -> impl Iterator<Item = ((u32, usize), (&FileSink, Option<&CallSite>))> {
        self.stages.iter().flat_map(|stage| {
            stage.outputs.iter().enumerate().filter_map(|(number, output)| match &output.to {
                OutputTo::Sink(Sink::Files { sink, .. }) => {
                    Some(((stage.id, number), (sink, stage.nodes[output.node].site.as_ref())))
                }
                _ => None,
            })
        })
    }
}
