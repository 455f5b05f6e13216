//! What hosts run: user functions as opaque pickled bytes, and the programs made of them.
//!
//! Plain data, shared by the planner (which builds it), the executor (which ships it) and the
//! hosts (which run it). Nothing here looks inside a function.

use serde::{Deserialize, Serialize};

/// A pickled user function, or a pickled constant where a function or a value may stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function {
    /// What the user would call it: `split_words`, `<lambda>`.
    pub name: String,
    /// `cloudpickle` bytes.
    pub pickled: Vec<u8>,
}

/// The line of the user's program that made a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallSite {
    /// File name as the interpreter gives it.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
    /// The function that the line stands in.
    pub function: String,
    /// The transform that was called: `map`, `group_by`.
    pub transform: String,
}

/// One step of a chain: what happens to a record on its way through a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// What the step does.
    pub kind: StepKind,
    /// Where the user wrote it.
    pub site: CallSite,
    /// Side inputs passed after the record, by index into the chain's sides.
    pub sides: Vec<u32>,
}

/// What one step of a chain does to one record `x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// `x = f(x, *sides)`.
    Map(Function),
    /// One record for each element of `f(x, *sides)`.
    FlatMap(Function),
    /// Drops `x` unless `f(x, *sides)` is true.
    Filter(Function),
    /// Calls `f(x, *sides)` for its effect and keeps nothing.
    Foreach(Function),
    /// Opens a level of grouping: key `key(x)`, and goes on with `value(x)`, or `x` itself.
    KeyBy {
        /// Gives the key.
        key: Function,
        /// Gives the value; `None` is the record itself.
        value: Option<Function>,
    },
    /// Opens a level of grouping from a pair: key `x[0]`, and goes on with `x[1]`.
    Split,
}

/// What a chain hands back for each record that reaches its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Emit {
    /// Only the keys that the chain's own steps opened; the record is not used by anyone.
    Nothing,
    /// The record as a value cell: column `v`.
    Value,
    /// The record as a key: columns `j` (key cell) and `js` (the original, where it differs).
    Key,
    /// A pair: its first element as a key (`j`, `js`), its second as a value cell (`v`).
    Pair,
    /// The record (`v`) and its sort key (`o`).
    Ordered {
        /// The sort key is `key(x)`, or `x` itself without one.
        key: Option<Function>,
        /// The rows will be sorted by `o` descending; parts of a key that say a direction of their
        /// own have to come out right then.
        reverse: bool,
        /// Where the user wrote it.
        site: CallSite,
    },
}

/// How the value of a side input reaches the user's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SideShape {
    /// A `PObject`: its value. No value is an error once a function would be called with it.
    Value,
    /// A `PCollection`: a re-iterable sequence.
    Sequence,
}

/// Where the value of a side input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SideFrom {
    /// The same for every record; given when the chain is opened.
    Open,
    /// A column of the batch, `x0`, `x1`, …: one cell per record, the same within a group.
    Column(u32),
}

/// One side input of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Side {
    /// How it is shown to user functions.
    pub shape: SideShape,
    /// Where it comes from.
    pub from: SideFrom,
}

/// The initial state of a fold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Zero {
    /// A pickled value (copied per group), or a pickled callable `zero(*sides)`.
    pub function: Function,
    /// Whether `function` is to be called.
    pub callable: bool,
}

/// A program that a host opens: from batches to batches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChainSpec {
    /// What is run.
    pub program: Program,
    /// Side inputs, referred to by index.
    pub sides: Vec<Side>,
}

/// The programs that hosts run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Program {
    /// Record by record, stateless between batches.
    ///
    /// Input columns: `v`, and `x0`… for sides that come by column. A null `v` is a marker: it
    /// meets no function and comes out as a row with a null `v` (or null `j`, or null `o`) whose
    /// keys of the levels that the chain opens are null.
    /// Output columns, in order: `origin` (`UInt32`, the input row; absent when the chain is one
    /// to one, so output row i is input row i), then for each level that the chain opens
    /// `n0`,`n0s`, `n1`,`n1s`, … (key cell, original where it differs), then what `emit` says.
    Records {
        /// The steps in order.
        steps: Vec<Step>,
        /// What comes out.
        emit: Emit,
        /// A record that is dropped by the step with this index (or a later one) leaves a row with a
        /// null value and the keys opened so far, so that its group stays known. Duplicates are
        /// removed within one input row, and over all rows, as far as a bounded table remembers, if
        /// the batch has further cell columns, which tell outer groups apart. With
        /// `Emit::Nothing` there is then a column `v` all the same: None for a record, null here.
        /// `None`: nothing is kept.
        keep_groups_from: Option<u32>,
        /// More rows of one input row than so many are of no use: the functions need not be asked for
        /// them. What has been made may come out all the same.
        most: Option<u64>,
    },
    /// Folds values into states, many groups at once, stateless between calls.
    ///
    /// Input columns: `g` (`UInt32`), `v`. The first rows, one per group and in order `g = 0, 1,
    /// …, m-1`, hold the states so far (null: none yet); they end where `g` is 0 again or the
    /// batch ends; what follows are the values, `v` never null.
    /// Output: one column `v`, m rows: the new states; a group with neither state nor value has the
    /// zero as its state (null without one; `f([])` for `Combine`).
    Fold {
        /// The function: `state = f(state, x, *sides)`.
        step: Function,
        /// What a group starts from. `None`: from its first value (`reduce`).
        zero: Option<Zero>,
        /// Where the user wrote it.
        site: CallSite,
        /// Side inputs passed to `step` after the record.
        sides: Vec<u32>,
    },
    /// One call over all the values of one group: `f(iterable)`; same columns as `Fold`; states
    /// count as one more element.
    Combine {
        /// The function.
        function: Function,
        /// Where the user wrote it.
        site: CallSite,
    },
    /// Group after group, record after record, with a status that stays in the host.
    ///
    /// Input columns: `g` (`UInt64`, ascending: a new number is a new group), `v` (null: the
    /// group exists, no record), and `x0`… for sides that come by column. Output columns: `g`, `v`.
    /// `finish` ends the last group.
    Sequential {
        /// What is run in each group.
        kind: Sequential,
        /// Where the user wrote it.
        site: CallSite,
        /// Side inputs, in order.
        sides: Vec<u32>,
        /// In how many processes of a host it may run, which all tasks share then; `None`: in any.
        instances: Option<u32>,
        /// Only the first so many results of each group are of use: it need not give more.
        most: Option<u64>,
    },
}

/// Functions that see a whole group in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sequential {
    /// `accumulate`: a strict left fold; one record per group: the last state.
    Accumulate {
        /// What a group starts from.
        zero: Zero,
        /// `state = f(state, x, *sides)`.
        step: Function,
    },
    /// `reduce` where it has side inputs: a left fold from the first record; one record per group
    /// that has any.
    Reduce(Function),
    /// `transform` with three functions and an emitter.
    Transform {
        /// `status = init(emitter, *sides)`.
        init: Function,
        /// `status = step(status, emitter, x, *sides)`.
        step: Function,
        /// `done(status, emitter, *sides)`.
        done: Function,
    },
    /// `transform` with a `Transformer` instance (pickled) of which each group gets a copy.
    Transformer(Function),
    /// `combine(pre_combine=False)`: one call `f(iterable)` on the whole group.
    Whole(Function),
}
