//! Puts exchanges where an operator needs rows together that are not together yet, and nowhere else.
//!
//! Grouping itself moves nothing. An operator asks for rows with equal columns in one task; a
//! partitioning by any of these columns serves it. Where an operator further on needs whole groups
//! of an outer level, the exchange is made by that level at once. What is sorted as a whole is dealt to
//! parts by ranges of its sort keys, which a sample gives.

use std::collections::HashMap;

use super::{Held, Settings, sizes, spread};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::stage::{Part, Spread};

/// Whether rows with equal columns `together` are in one task.
fn serves(spread: &Spread, together: &[Col]) -> bool {
    match spread {
        Spread::Single => true,
        Spread::Together { by, .. } => !together.is_empty() && by.iter().all(|col| together.contains(col)),
        Spread::First { .. } | Spread::Any => false,
    }
}

/// What holds of a spread in other plans, which know nothing of the nodes of this one.
fn kept(spread: &Spread) -> Spread {
    match spread {
        Spread::Together { part: Part::Numbered(_), .. } | Spread::First { part: Part::Numbered(_) } => {
            Spread::Any
        }
        known => known.clone(),
    }
}

struct Chooser<'a> {
    nodes: Vec<FlatNode>,
    spread: Vec<Spread>,
    /// About how many bytes each dataset has, where that is known before the run.
    bytes: Vec<Option<u64>>,
    exchanges: HashMap<(Vec<FlatId>, ExchangeKind), FlatId>,
    settings: &'a Settings,
}

/// Sort keys in the sample for each part: parts are then even to about a tenth.
const SAMPLED: u64 = 64;

/// The most that one side of a join may have to be sent to every task: each holds it.
const SMALL_SIDE: u64 = 4 << 20;

/// Adds exchanges; says besides how what is kept will lie.
pub fn choose_exchanges(plan: FlatPlan, settings: &Settings) -> Result<(FlatPlan, Vec<(u64, Spread)>)> {
    let demands = demands(&plan);
    let uses = plan.uses();
    let mut chooser =
        Chooser { nodes: vec![], spread: vec![], bytes: vec![], exchanges: HashMap::new(), settings };
    let mut renamed: Vec<FlatId> = Vec::new();
    for (id, mut node) in plan.nodes.into_iter().enumerate() {
        let shared: Vec<bool> = node.inputs.iter().map(|&input| uses[input] > 1).collect();
        node.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        renamed.push(chooser.place(node, demands[id].as_deref(), &shared));
    }
    let mut roots = plan.roots;
    roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
    let spreads = roots.iter().filter_map(|root| match root.sink {
        Sink::Keep(cache) => Some((cache, kept(&chooser.spread[root.node]))),
        _ => None,
    });
    let spreads = spreads.collect();
    Ok((FlatPlan { nodes: chooser.nodes, roots }.without_unused(), spreads))
}

/// For each node, the key columns by which some operator further on needs whole groups.
fn demands(plan: &FlatPlan) -> Vec<Option<Vec<Col>>> {
    let mut demands: Vec<Option<Vec<Col>>> = vec![None; plan.nodes.len()];
    for (id, node) in plan.nodes.iter().enumerate().rev() {
        let own = match &node.op {
            FlatOp::Sort { .. } | FlatOp::Sequential { .. } if node.depth > 0 => Some(keys(node.depth)),
            _ => None,
        };
        let passed = demands[id].clone().filter(|cols| match &node.op {
            FlatOp::Project(exprs) => cols.iter().all(|col| exprs.contains(&(*col, Expr::Col(*col)))),
            FlatOp::Exchange { .. } | FlatOp::Join { .. } => false,
            _ => true,
        });
        // The coarser demand serves both.
        let demand = match (own, passed) {
            (Some(own), Some(passed)) if passed.iter().all(|col| own.contains(col)) => Some(passed),
            (own, passed) => own.or(passed),
        };
        if let Some(demand) = demand
            && let Some(&input) = node.inputs.first()
            && demand.iter().all(|col| plan.nodes[input].cols.contains(col))
        {
            let known = &mut demands[input];
            if known.as_ref().is_none_or(|known| demand.len() < known.len()) {
                *known = Some(demand);
            }
        }
    }
    demands
}

impl Chooser<'_> {
    fn push(&mut self, node: FlatNode, spread: Spread) -> FlatId {
        self.bytes.push(sizes::bytes(&node, &self.bytes, self.settings));
        self.nodes.push(node);
        self.spread.push(spread);
        self.nodes.len() - 1
    }

    /// An exchange over a dataset; over a union that nobody else reads, over its parts.
    fn exchange(&mut self, input: FlatId, kind: ExchangeKind, reason: String, shared: bool) -> FlatId {
        let inputs = match &self.nodes[input].op {
            FlatOp::Union { .. } if !shared => self.nodes[input].inputs.clone(),
            _ => vec![input],
        };
        if let Some(&known) = self.exchanges.get(&(inputs.clone(), kind.clone())) {
            return known;
        }
        let spread = match &kind {
            ExchangeKind::Hash { by, parts } => Spread::Together { by: by.clone(), part: Part::Hash(*parts) },
            ExchangeKind::Gather => Spread::Single,
            _ => Spread::Any,
        };
        let mut node = FlatNode {
            op: FlatOp::Exchange { kind: kind.clone(), reason },
            inputs: inputs.clone(),
            ..self.nodes[input].clone()
        };
        // It says where a row goes, and is of no use there.
        node.cols.retain(|col| *col != Col::Rank);
        let id = self.push(node, spread);
        self.exchanges.insert((inputs, kind), id);
        id
    }

    /// Into how many parts the rows are dealt that have to meet for an operator.
    fn parts(&self, node: &FlatNode) -> u32 {
        let wish = node.concurrency.filter(|_| self.settings.concurrency);
        wish.unwrap_or(self.settings.channels)
    }

    /// Makes rows with equal `together` meet in one task for the first input of an operator; all rows where
    /// it is empty.
    fn bring(
        &mut self,
        node: &FlatNode,
        together: Vec<Col>,
        demand: Option<&[Col]>,
        why: &str,
        shared: bool,
    ) -> FlatId {
        let input = node.inputs[0];
        if serves(&self.spread[input], &together) {
            return input;
        }
        if together.is_empty() {
            return self.exchange(input, ExchangeKind::Gather, format!("{why}: all rows"), shared);
        }
        let coarser = demand.filter(|cols| !cols.is_empty() && cols.iter().all(|col| together.contains(col)));
        let reason = match coarser {
            Some(cols) if cols.len() < together.len() => {
                format!("{why}: whole groups by {} are needed further on", list(cols))
            }
            _ => format!("{why}: rows with equal {} meet", list(&together)),
        };
        let by = coarser.map(<[Col]>::to_vec).unwrap_or(together);
        self.exchange(input, ExchangeKind::Hash { by, parts: self.parts(node) }, reason, shared)
    }

    fn place(&mut self, mut node: FlatNode, demand: Option<&[Col]>, shared: &[bool]) -> FlatId {
        let why = node.site.as_ref().map(|site| site.transform.clone()).unwrap_or_default();
        match &node.op {
            FlatOp::Aggregate { keys, phase: Phase::Single, .. } => {
                let together = keys.clone();
                node.inputs[0] = self.bring(&node, together, demand, &why, shared[0]);
            }
            FlatOp::Sort { by } if node.depth == 0 && self.settings.channels > 1 => {
                let by = by.clone();
                if self.spread[node.inputs[0]] != Spread::Single {
                    node.inputs[0] = self.in_ranges(&node, &by, &why);
                    node.op = FlatOp::SortParts { by };
                }
            }
            FlatOp::Sequential { parts: true, .. } if node.depth == 0 => {}
            FlatOp::Sort { .. } | FlatOp::Sequential { .. } => {
                let together = keys(node.depth);
                node.inputs[0] = self.bring(&node, together, demand, &why, shared[0]);
            }
            FlatOp::Join { on, kind: FlatJoin::Cross, .. } if on.is_empty() => {
                let reason = format!("{why}: every group sees all rows");
                node.inputs[1] = self.exchange(node.inputs[1], ExchangeKind::Broadcast, reason, shared[1]);
            }
            FlatOp::Join { on, kind, .. } => {
                let (on, kind) = (on.clone(), *kind);
                match self.is_broadcast(&node, &on, kind) {
                    true => {
                        let reason = format!("{why}: the smaller side goes to every task");
                        let right = node.inputs[1];
                        node.inputs[1] = self.exchange(right, ExchangeKind::Broadcast, reason, shared[1]);
                    }
                    false => self.meet(&mut node, &on, &why, shared),
                }
            }
            _ => {}
        }
        if let FlatOp::Exchange { kind, reason } = &node.op {
            return self.exchange(node.inputs[0], kind.clone(), reason.clone(), shared[0]);
        }
        if let FlatOp::Union { aligned } = &mut node.op {
            let first = &self.spread[node.inputs[0]];
            let alike = node.inputs.iter().all(|&input| self.spread[input] == *first);
            *aligned = alike && *first != Spread::Any;
        }
        let spread = self.spread_of(&node);
        self.push(node, spread)
    }

    /// The rows of a sort in parts that follow each other: an exchange by ranges.
    fn in_ranges(&mut self, node: &FlatNode, by: &[SortBy], why: &str) -> FlatId {
        let (input, parts, sample) = (node.inputs[0], self.settings.channels, Col::Agg(0));
        let descending = by.iter().any(|by| by.col == Col::Order && by.descending);
        let gathered =
            self.exchange(input, ExchangeKind::Gather, format!("{why}: a sample of all sort keys"), true);
        let function = AggFn::Sample { limit: u64::from(parts) * SAMPLED };
        let agg = Agg { function, args: vec![Col::Order, Col::Pos], out: sample };
        let op =
            FlatOp::Aggregate { keys: vec![], aggs: vec![agg], phase: Phase::Single, at_least_one: false };
        let sampled = FlatNode { op, inputs: vec![gathered], cols: vec![sample], ..node.clone() };
        let sampled = self.push(sampled, Spread::Single);
        let reason = format!("{why}: every task ranks its rows");
        let sampled = self.exchange(sampled, ExchangeKind::Broadcast, reason, true);
        let mut cols = self.nodes[input].cols.clone();
        cols.push(Col::Rank);
        let op = FlatOp::Rank { sample, descending, parts };
        let ranked =
            self.push(FlatNode { op, inputs: vec![input, sampled], cols, ..node.clone() }, Spread::Any);
        self.exchange(
            ranked,
            ExchangeKind::Sorted { parts },
            format!("{why}: parts that follow each other"),
            true,
        )
    }

    /// Whether the right side of a join is so small that every task has all of it, and the left one stays
    /// where it is: known before the run, a little, and cheaper than to move the other. Not within groups,
    /// which have to meet sooner or later.
    fn is_broadcast(&self, node: &FlatNode, on: &[(Col, Col)], kind: FlatJoin) -> bool {
        let (left, right) = (node.inputs[0], node.inputs[1]);
        let left_cols: Vec<_> = on.iter().map(|(left, _)| *left).collect();
        let moves = !serves(&self.spread[left], &left_cols) && self.settings.channels > 1;
        if !moves || node.depth > 0 || kind == FlatJoin::Full {
            return false;
        }
        let Some(small) = self.bytes[right].filter(|bytes| *bytes <= SMALL_SIDE) else { return false };
        // Where the left size is not known, it is what has been joined or made of more than that.
        self.bytes[left].is_none_or(|large| small.saturating_mul(self.settings.channels.into()) <= large)
    }

    /// Makes both sides of a join meet, moving only what has to move.
    fn meet(&mut self, node: &mut FlatNode, on: &[(Col, Col)], why: &str, shared: &[bool]) {
        let (left, right) = (node.inputs[0], node.inputs[1]);
        if self.spread[left] == Spread::Single && self.spread[right] == Spread::Single {
            return;
        }
        let left_cols: Vec<_> = on.iter().map(|(left, _)| *left).collect();
        let lies = |by: &[Col], part| Spread::Together { by: by.to_vec(), part };
        let to_right = |by: &[Col]| by.iter().map(|col| other(on, *col, false)).collect::<Vec<_>>();
        let (by, parts) = match (&self.spread[left], &self.spread[right]) {
            (Spread::Together { by, part }, right)
                if serves(&self.spread[left], &left_cols) && *right == lies(&to_right(by), *part) =>
            {
                return;
            }
            (Spread::Together { by, part: Part::Hash(parts) }, _)
                if serves(&self.spread[left], &left_cols) =>
            {
                (by.clone(), *parts)
            }
            (_, Spread::Together { by, part: Part::Hash(parts) })
                if by.iter().all(|col| on.iter().any(|(_, right)| right == col)) =>
            {
                (by.iter().map(|col| other(on, *col, true)).collect(), *parts)
            }
            _ => (left_cols, self.parts(node)),
        };
        let right_by = to_right(&by);
        for (side, by) in [(0, by), (1, right_by)] {
            if self.spread[node.inputs[side]] != lies(&by, Part::Hash(parts)) {
                let reason = format!("{why}: rows with equal {} meet", list(&by));
                let kind = ExchangeKind::Hash { by, parts };
                node.inputs[side] = self.exchange(node.inputs[side], kind, reason, shared[side]);
            }
        }
    }

    /// What is known about the spread of an operator's rows, from its first input.
    fn spread_of(&self, node: &FlatNode) -> Spread {
        if let FlatOp::Held { cache } = node.op {
            return match self.settings.held.get(&cache) {
                Some(held) if held.tasks == 1 => Spread::Single,
                Some(Held {
                    spread:
                        Spread::Together { part: Part::Hash(parts), .. }
                        | Spread::First { part: Part::Hash(parts) },
                    tasks,
                    ..
                }) if parts != tasks => Spread::Any,
                Some(held) => held.spread.clone(),
                None => Spread::Any,
            };
        }
        let input = node.inputs.first().map(|&input| (&self.spread[input], self.nodes[input].depth));
        spread::after(self.nodes.len(), node, input)
    }
}

fn other(on: &[(Col, Col)], col: Col, to_left: bool) -> Col {
    let found = on.iter().find(|(left, right)| if to_left { *right == col } else { *left == col });
    found.map_or(col, |(left, right)| if to_left { *left } else { *right })
}

fn list(cols: &[Col]) -> String {
    cols.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
