//! The logical plan: a tree of scopes that own their nodes, as the user's program built it.
//!
//! Plain data. A reference resolves inside its scope; crossing a border is explicit: `Member`,
//! `Key` and `Import` go in, `Flatten`, `Values` and `Keys` come out. Node ids are unique over the
//! whole plan and in dependency order: a node only refers to smaller ids. The Python twin is
//! `nestflow/plan/`; `wire.rs` and `plan/encode.py` are the two ends of the wire.

use serde::{Deserialize, Serialize};

use nestflow_chain::{CallSite, Function};

use super::literal::Literal;

/// Index into [`LogicalPlan::functions`].
pub type FunctionId = u32;
/// Index into [`LogicalPlan::sites`].
pub type SiteId = u32;

/// A node, unique over the whole plan.
pub type NodeId = u32;
/// A scope, unique over the whole plan; the root scope is 0.
pub type ScopeId = u32;

/// Everything that one run executes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogicalPlan {
    /// User functions, referred to by index.
    pub functions: Vec<Function>,
    /// Call sites, referred to by index.
    pub sites: Vec<CallSite>,
    /// The whole pipeline.
    pub root: Scope,
    /// What has to happen, in the order in which it was asked for.
    pub targets: Vec<Target>,
    /// Nodes whose data the engine already holds: cut there.
    pub materialized: Vec<Materialized>,
}

impl LogicalPlan {
    /// Where in the user's program a node was made.
    pub fn site(&self, node: &Node) -> Option<&CallSite> {
        self.sites.get(node.site as usize)
    }
}

/// One level of nesting and the nodes that live in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// Its id; 0 is the root.
    pub id: ScopeId,
    /// Nodes, in ascending id.
    pub nodes: Vec<Node>,
    /// The scopes that `Group` nodes of this scope open, in ascending id.
    #[serde(deserialize_with = "super::depth::bounded")]
    pub children: Vec<Scope>,
}

/// What one call of a transform produces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// What it does.
    pub op: Op,
    /// A `PObject` (at most one record per group) rather than a `PCollection`.
    pub single: bool,
    /// The user's line.
    pub site: SiteId,
}

/// A dataset held by the engine from an earlier run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Materialized {
    /// The node.
    pub node: NodeId,
    /// The name under which the engine holds its blocks.
    pub cache: u64,
}

/// What a run has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// Keep the dataset's blocks under this name: serves `get` and `cache`.
    Keep {
        /// The node.
        node: NodeId,
        /// The name.
        cache: u64,
    },
    /// Write the dataset's values as a directory of files.
    Write {
        /// The node.
        node: NodeId,
        /// Where and how.
        sink: FileSink,
        /// The user's line.
        site: SiteId,
    },
    /// Run a `Foreach` node.
    Effect {
        /// The node.
        node: NodeId,
    },
}

/// A directory of files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSink {
    /// The directory that appears when the run has succeeded.
    pub path: String,
    /// Replace an existing target.
    pub overwrite: bool,
    /// What stands in the files.
    pub form: SinkForm,
    /// Number of parts, or as the engine likes.
    pub parts: Option<u32>,
    /// `f(record) -> part`; without: by position.
    pub partition: Option<FunctionId>,
    /// Sort the records within each part.
    pub sort: Option<SinkSort>,
    /// Write by threads beside those of tasks.
    pub behind: bool,
}

/// What an output's files hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SinkForm {
    /// The text of each record.
    Text {
        /// After each record.
        delimiter: Vec<u8>,
        /// Compress parts with gzip.
        gzip: bool,
        /// `f(record)`: the text; without: `str`.
        encode: Option<FunctionId>,
    },
    /// Hadoop sequence files.
    Sequence {
        /// `f(record)`: a pair of `bytes`, key and value.
        encode: FunctionId,
    },
}

/// How the records of a part are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SinkSort {
    /// The sort key; `None`: the record.
    pub key: Option<FunctionId>,
    /// Descending.
    pub reverse: bool,
}

/// Files to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSource {
    /// Files, directories and globs, as given.
    pub paths: Vec<String>,
    /// What stands in them.
    pub form: SourceForm,
    /// Records are pairs: the path of the file as `str`, and what stands in it.
    pub named: bool,
}

/// What the files of a source hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceForm {
    /// Lines.
    Text {
        /// `Some("utf-8")`: records are `str`, undecodable bytes as surrogates; `Some("utf-8-strict")`:
        /// undecodable bytes are an error; `None`: records are `bytes`.
        encoding: Option<String>,
    },
    /// Hadoop sequence files: records are pairs of `bytes`, key and value.
    Sequence,
    /// Nothing of what stands in them: a pair of its path and None for each file, empty ones too.
    Names,
}

/// A side input of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SideInput {
    /// A node of the same scope (an outer one comes through `Import`).
    pub node: NodeId,
    /// A `PObject`: its value; otherwise a sequence.
    pub single: bool,
}

/// Which rows of a join survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// Keys present on all sides.
    Inner,
    /// Every row of the first side.
    Left,
    /// Every row of the last side.
    Right,
    /// Every row of every side, pairwise from the left.
    Full,
}

/// Multiset operations on two datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compare {
    /// Every copy of each element of the first that does not occur in the second.
    Subtract,
    /// Each common element once.
    Intersection,
    /// Each common element as often as it occurs in both.
    IntersectionAll,
    /// `(element, (count in first, count in second))` where the counts differ.
    Diff,
}

/// What a node does. `input` is always a node of the same scope.
#[expect(missing_docs, reason = "the variants say what their fields, named alike throughout, are for")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// What files hold.
    Files(FileSource),
    /// Records that the client holds, as blocks of value cells.
    Literal {
        /// Encoded blocks (`docs/block-format.md`), one column `v`.
        blocks: Vec<Literal>,
        /// The bytes of what they name, where that is yet to be loaded.
        names: Option<u64>,
    },
    /// `f(x, *sides)`.
    Map { input: NodeId, function: FunctionId, sides: Vec<SideInput> },
    /// Each element of `f(x, *sides)`.
    FlatMap { input: NodeId, function: FunctionId, sides: Vec<SideInput> },
    /// Records for which `f(x, *sides)` is true.
    Filter { input: NodeId, function: FunctionId, sides: Vec<SideInput> },
    /// Calls `f(x, *sides)` for its effect.
    Foreach { input: NodeId, function: FunctionId, sides: Vec<SideInput> },
    /// Pairs `(key(x), value(x))`; without `value`, `(key(x), x)`.
    KeyBy { input: NodeId, key: FunctionId, value: Option<FunctionId> },
    /// Opens a child scope: one group per key of the pairs of all inputs. `concurrency`: into how many parts
    /// the groups are dealt, or as the engine likes.
    Group { inputs: Vec<NodeId>, scope: ScopeId, concurrency: Option<u32> },
    /// In a child scope: the group's values from input `side` of the `Group` that opened it.
    Member { side: u32 },
    /// In a child scope: the group's key.
    Key,
    /// In a child scope: a dataset of any enclosing scope, the same for every group below it.
    Import { node: NodeId },
    /// From `levels` scopes further in: `(k0, (k1, … v))`.
    Flatten { node: NodeId, levels: u32 },
    /// From `levels` scopes further in: the values.
    Values { node: NodeId, levels: u32 },
    /// The keys of a child scope.
    Keys { scope: ScopeId },
    /// Number of records.
    Count { input: NodeId },
    /// Whether there is no record.
    IsEmpty { input: NodeId },
    /// `reduce(+)`.
    Sum { input: NodeId },
    /// `f(a, b)` until one is left; nothing for an empty group. `adds`: the function is `a + b`.
    Reduce { input: NodeId, function: FunctionId, adds: bool, sides: Vec<SideInput> },
    /// Partial folds from `zero` (called if `callable`) by `step`, folded again from it by `merge`.
    Aggregate {
        input: NodeId,
        zero: FunctionId,
        callable: bool,
        step: FunctionId,
        merge: FunctionId,
        sides: Vec<SideInput>,
    },
    /// `f(iterable)` over parts and again over the results.
    Combine { input: NodeId, function: FunctionId },
    /// All records as one list.
    ToList { input: NodeId },
    /// The largest or smallest record.
    Extreme { input: NodeId, largest: bool, key: Option<FunctionId> },
    /// The `limit` largest or smallest records, in that order.
    Top { input: NodeId, limit: i64, largest: bool, key: Option<FunctionId> },
    /// The first record.
    First { input: NodeId },
    /// The first `limit` records.
    Take { input: NodeId, limit: i64 },
    /// Each distinct record once.
    Distinct { input: NodeId },
    /// Stable sort.
    Sort { input: NodeId, key: Option<FunctionId>, reverse: bool },
    /// `accumulate`: a strict left fold.
    Accumulate { input: NodeId, zero: FunctionId, callable: bool, step: FunctionId, sides: Vec<SideInput> },
    /// `transform` with three functions.
    Transform { input: NodeId, init: FunctionId, step: FunctionId, done: FunctionId, sides: Vec<SideInput> },
    /// `transform` with a transformer instance. `parts`: it may see the parts of a dataset one by one, and
    /// need not see one without records. `instances`: in how many processes of each node it may run.
    Transformer {
        input: NodeId,
        transformer: FunctionId,
        sides: Vec<SideInput>,
        parts: bool,
        instances: Option<u32>,
    },
    /// `combine(pre_combine=False)`: one call on the whole group.
    Whole { input: NodeId, function: FunctionId },
    /// Concatenation, first argument first.
    Union { inputs: Vec<NodeId> },
    /// Records `(key, (v1, …, vn))`.
    Join { inputs: Vec<NodeId>, kind: JoinKind, concurrency: Option<u32> },
    /// Multiset operation.
    Compare { left: NodeId, right: NodeId, kind: Compare },
    /// Pairs `(position, record)`: numbers that grow in the order of the dataset, with gaps between
    /// its parts: the part stands above bit 40, the place in it below. `text`: as hexadecimal texts.
    Numbered { input: NodeId, text: bool },
}
