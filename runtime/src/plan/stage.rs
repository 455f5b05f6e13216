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

/// How the rows of a dataset are spread over its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spread {
    /// In no known way.
    #[default]
    Any,
    /// Rows with equal values of these columns are in one part.
    Together {
        /// The columns.
        by: Vec<Col>,
        /// In which.
        part: Part,
    },
    /// The same by the first element of each record, a pair.
    First {
        /// In which.
        part: Part,
    },
    /// All in one part.
    Single,
}

/// In which part of a dataset rows lie that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The number of their hash, of so many parts.
    Hash(u32),
    /// That in which this node of the plan numbered them: their columns come from its positions. Only what
    /// is made of one node's rows lies alike.
    Numbered(FlatId),
}

/// A whole run: stages in dependency order and the exchanges between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageGraph {
    /// The stages.
    pub stages: Vec<Stage>,
    /// The exchanges, by number.
    pub exchanges: Vec<Exchange>,
    /// How the datasets that it keeps lie, by name.
    pub kept: Vec<(u64, Spread)>,
}

impl StageGraph {
    /// How a dataset that it keeps will lie.
    pub fn spread_of(&self, cache: u64) -> Spread {
        let kept = self.kept.iter().find(|(kept, _)| *kept == cache);
        kept.map_or(Spread::Any, |(_, spread)| spread.clone())
    }

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
