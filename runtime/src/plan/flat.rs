//! Flat operators: what a tree of scopes becomes when scope keys are leading columns.
//!
//! A dataset at depth d is rows `[k1 s1 … kd sd | v]`: key cells, the keys as the user gave them
//! where they differ (null elsewhere), and the value cell. A row whose value is null is a
//! *marker*: it says that the group of its non-null leading keys exists, and is no record.
//! Every operator is the flat operator with the keys in front; none has a nested version.

use nestflow_chain::{CallSite, ChainSpec, Emit, Program, SideFrom, SideShape, Step};
use serde::{Deserialize, Serialize};

use super::literal::Literal;
use super::logical::{FileSink, FileSource};

/// Index of a node in a [`FlatPlan`]; inputs are always smaller.
pub type FlatId = usize;

/// A column of a dataset; all hold cells, except `Pos` and `Rank`, which hold `UInt64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Col {
    /// `k1`…: the key cell of a level, from 1.
    Key(u32),
    /// `s1`…: the key as given, where its cell is not the key cell.
    Shown(u32),
    /// `j`: a key that is not a level: of a join, of distinct.
    Join,
    /// `js`: the same as given.
    JoinShown,
    /// `v`: the record.
    Value,
    /// `o`: a sort key.
    Order,
    /// `p`: the position of the row in the order of its dataset.
    Pos,
    /// `x0`…: the value of a side input, or of a side of a join.
    Side(u32),
    /// `rk0`…: in a join, the right side's key of a level; of the join itself at 0.
    RightKey(u32),
    /// `rs0`…: the same as given.
    RightShown(u32),
    /// `a0`…: the state or the result of an aggregate.
    Agg(u32),
    /// `r`: the part of a sorted dataset that the row belongs to; `UInt64`.
    Rank,
}

/// A native expression over the cells of one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// A column.
    Col(Col),
    /// No cell.
    Null,
    /// A constant cell.
    Cell(Vec<u8>),
    /// The first where it is not null, else the second: a key as given.
    Given(Col, Col),
    /// The tuple of the parts; None for a null part.
    Tuple(#[serde(deserialize_with = "super::depth::bounded")] Vec<Expr>),
    /// The second where the first is not null, else null.
    Where(Col, #[serde(deserialize_with = "super::depth::bounded")] Box<Expr>),
    /// Whether a count is zero, as a bool cell.
    IsZero(Col),
    /// The key as given of a joined row: (left key, left given, right key, right given).
    JoinedGiven(Col, Col, Col, Col),
    /// The first that is not null.
    Coalesce(Col, Col),
    /// A position, as an int cell or as the hexadecimal text of it.
    Position {
        /// The positions.
        col: Col,
        /// As a text.
        text: bool,
    },
}

/// A function over the rows of a group.
#[allow(clippy::large_enum_variant, reason = "a few in a plan")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AggFn {
    /// The least-ranked of the keys as given.
    Given,
    /// Rows whose value is not null, or all rows where there is no argument.
    Count,
    /// `reduce(+)`; the program adds what is neither int nor float.
    Sum(ChainSpec),
    /// Folds by `partial`, and folds partial states by `merge`.
    Fold {
        /// From values.
        partial: ChainSpec,
        /// From states.
        merge: ChainSpec,
        /// Groups without a record have a result too (zero).
        answers_empty: bool,
    },
    /// The record with the largest or smallest sort key: arguments value, order.
    Extreme {
        /// Largest rather than smallest.
        largest: bool,
    },
    /// The n records with the largest or smallest sort keys, as a packed list: value, order.
    Top {
        /// How many.
        limit: u64,
        /// Largest rather than smallest.
        largest: bool,
    },
    /// The first n records in the order of their sort keys, ties in input order, as a packed list:
    /// value, order, position.
    Sorted {
        /// How many.
        limit: u64,
        /// From the largest sort key on.
        descending: bool,
    },
    /// The first n records, as a packed list: value, position.
    First {
        /// How many.
        limit: u64,
    },
    /// Some sort keys, each with its position, evenly from all rows, as a packed list: order, position.
    Sample {
        /// How many at most.
        limit: u64,
    },
    /// All records as one list cell, by position: value, position.
    ToList,
}

/// One aggregate of an `Aggregate` node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agg {
    /// What is computed.
    pub function: AggFn,
    /// Its arguments, columns of the input (unused in a final phase).
    pub args: Vec<Col>,
    /// The column of its state or result.
    pub out: Col,
}

/// Which part of an aggregation a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// All of it: whole groups come in.
    Single,
    /// From rows to states, below an exchange.
    Partial,
    /// From states to results, above it.
    Final,
}

/// How rows move between tasks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExchangeKind {
    /// By the hash of columns.
    Hash {
        /// The columns.
        by: Vec<Col>,
        /// How many tasks.
        parts: u32,
    },
    /// All to one task, in order.
    Gather,
    /// All to every task.
    Broadcast,
    /// Task i to task i: for a dataset that is read twice by one consumer.
    Forward,
    /// To the task whose number stands in the column.
    Direct {
        /// The column with the number, an int cell.
        by: Col,
        /// How many tasks.
        parts: u32,
    },
    /// By ranges of sort keys: each row to the task of its `Rank`.
    Sorted {
        /// How many tasks.
        parts: u32,
    },
    /// Row i to task i mod n.
    RoundRobin {
        /// How many tasks.
        parts: u32,
    },
}

/// One side input of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChainSide {
    /// How it is shown.
    pub shape: SideShape,
    /// A column, or an input of the node (which comes by broadcast).
    pub from: SideFrom,
}

/// Which rows a join keeps. The first input is the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlatJoin {
    /// Matching pairs.
    Inner,
    /// Matching pairs and left rows without a match; keeps the order of the left side.
    Left,
    /// Left rows without a match, with no column of the right side; keeps the order of the left side.
    Anti,
    /// All rows of both sides.
    Full,
    /// All pairs; the rows of the left side within the order of the right side.
    Cross,
}

/// What is made of the counts of an element on two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Counted {
    /// Each element of both sides, once.
    Intersection,
    /// As often as it occurs on both sides.
    IntersectionAll,
    /// `(element, (count left, count right))` where the counts differ.
    Diff,
}

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortBy {
    /// The column.
    pub col: Col,
    /// Descending.
    pub descending: bool,
}

/// A flat operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlatOp {
    /// What files hold.
    Files(FileSource),
    /// Records held by the client.
    Literal(Vec<Literal>),
    /// A dataset that the engine holds.
    Held {
        /// Its name.
        cache: u64,
    },
    /// User functions, record by record. Input 0 is the data, the others are open sides in order.
    Chain {
        /// The steps.
        steps: Vec<Step>,
        /// What comes out besides the keys.
        emit: Emit,
        /// From which step on dropped records leave markers.
        keep_groups_from: Option<u32>,
        /// Side inputs, as the steps number them.
        sides: Vec<ChainSide>,
        /// Only the first so many records of each group are of use.
        most: Option<u64>,
    },
    /// Columns from native expressions.
    Project(Vec<(Col, Expr)>),
    /// Keeps rows in which this column is not null: without markers, where it is the value.
    Present(Col),
    /// Groups by columns and aggregates.
    Aggregate {
        /// Group columns.
        keys: Vec<Col>,
        /// Aggregates.
        aggs: Vec<Agg>,
        /// Which part.
        phase: Phase,
        /// There is a group even where there is no row (the global group).
        at_least_one: bool,
    },
    /// One row per element of a packed list in the column, as the value.
    Unpack(Col),
    /// Rows `(element, count left, count right)` to the rows of a multiset operation.
    Compared(Counted),
    /// Numbers the rows: adds `Pos`.
    Number,
    /// Finds for each row the part of the sorted dataset that it belongs to, by the sample that the
    /// second input holds: adds `Rank`.
    Rank {
        /// The column of the sample.
        sample: Col,
        /// Largest sort key first.
        descending: bool,
        /// The number of parts.
        parts: u32,
    },
    /// Sorts whole groups.
    Sort {
        /// By what.
        by: Vec<SortBy>,
    },
    /// Sorts the rows of each task, whatever they are.
    SortParts {
        /// By what.
        by: Vec<SortBy>,
    },
    /// Fails where neighbours' sort keys cannot be compared.
    CheckOrder,
    /// Passes the first n rows of the task.
    Limit(u64),
    /// A program that sees whole groups in order.
    Sequential {
        /// The program, its open sides being the inputs after the first.
        program: Program,
        /// Side inputs.
        sides: Vec<ChainSide>,
        /// There is a group even where there is no row.
        at_least_one: bool,
        /// Outside of groups, each part of the dataset is a group of its own.
        parts: bool,
    },
    /// Joins on equal columns.
    Join {
        /// Pairs of columns.
        on: Vec<(Col, Col)>,
        /// Which rows stay.
        kind: FlatJoin,
        /// The columns that come out: from the left (false) or the right (true), and their new name.
        take: Vec<(bool, Col, Col)>,
    },
    /// Concatenation, first input first.
    Union {
        /// All inputs are partitioned alike: task i reads part i of each. Otherwise each task reads
        /// one part of one input.
        aligned: bool,
    },
    /// Moves rows between tasks. Several inputs are read one after the other.
    Exchange {
        /// How.
        kind: ExchangeKind,
        /// Why, for people.
        reason: String,
    },
    /// In a stage: where an exchange is read.
    Read {
        /// The exchange.
        exchange: u32,
    },
}

/// A flat operator with its place in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlatNode {
    /// What it does.
    pub op: FlatOp,
    /// Its inputs.
    pub inputs: Vec<FlatId>,
    /// The number of leading key levels.
    pub depth: u32,
    /// The columns that come out, in order.
    pub cols: Vec<Col>,
    /// Whether rows may be markers.
    pub markers: bool,
    /// Into how many parts its rows are to be dealt where they have to meet, if the user said so.
    pub concurrency: Option<u32>,
    /// The line of the user's program that asked for it.
    pub site: Option<CallSite>,
}

/// What happens with a finished dataset.
#[allow(clippy::large_enum_variant, reason = "a few in a plan")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sink {
    /// Kept by the engine under this name.
    Keep(u64),
    /// Written to files.
    Files {
        /// Where and how.
        sink: FileSink,
        /// From records to what files hold: `str`, for those that cannot be printed natively, or the
        /// pair of `bytes` of a sequence file.
        encode: ChainSpec,
    },
    /// Dropped: its effects are what was asked for.
    Drain,
}

/// A dataset and what happens with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Root {
    /// The dataset.
    pub node: FlatId,
    /// What happens.
    pub sink: Sink,
}

/// Flat operators in dependency order, and what is asked of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatPlan {
    /// The nodes.
    pub nodes: Vec<FlatNode>,
    /// What has to happen.
    pub roots: Vec<Root>,
}

impl FlatPlan {
    /// How many inputs and roots refer to each node.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        let inputs = self.nodes.iter().flat_map(|node| node.inputs.iter());
        for &id in inputs.chain(self.roots.iter().map(|root| &root.node)) {
            uses[id] += 1;
        }
        uses
    }

    /// The plan without nodes that no root needs, numbers closed up.
    pub fn without_unused(self) -> FlatPlan {
        let mut needed = vec![false; self.nodes.len()];
        for root in &self.roots {
            needed[root.node] = true;
        }
        for id in (0..self.nodes.len()).rev() {
            if needed[id] {
                self.nodes[id].inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let mut renamed = vec![usize::MAX; self.nodes.len()];
        let mut plan = FlatPlan { nodes: Vec::new(), roots: self.roots };
        for (id, mut node) in self.nodes.into_iter().enumerate().filter(|(id, _)| needed[*id]) {
            node.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
            renamed[id] = plan.nodes.len();
            plan.nodes.push(node);
        }
        plan.roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
        plan
    }
}

/// `k1 s1 … kd sd`.
pub fn key_cols(depth: u32) -> Vec<Col> {
    (1..=depth).flat_map(|level| [Col::Key(level), Col::Shown(level)]).collect()
}

/// `k1 … kd`.
pub fn keys(depth: u32) -> Vec<Col> {
    (1..=depth).map(Col::Key).collect()
}
