//! Columns that nobody reads are neither computed nor shipped.

use std::collections::BTreeSet;

use nestflow_chain::{Emit, SideFrom};

use crate::plan::flat::*;

type Cols = BTreeSet<Col>;

/// Drops columns without a reader, from the results down to the sources.
pub fn prune_columns(mut plan: FlatPlan) -> FlatPlan {
    let mut read: Vec<Cols> = vec![Cols::new(); plan.nodes.len()];
    for root in &plan.roots {
        match &root.sink {
            Sink::Keep(_) => read[root.node].extend(plan.nodes[root.node].cols.iter().copied()),
            Sink::Files { .. } => {
                read[root.node].insert(Col::Value);
            }
            Sink::Drain => {}
        }
    }
    for id in (0..plan.nodes.len()).rev() {
        let wanted = std::mem::take(&mut read[id]);
        let node = &mut plan.nodes[id];
        trim(node, &wanted);
        let node = &plan.nodes[id];
        for (number, &input) in node.inputs.iter().enumerate() {
            let cols = reads(node, number, &plan.nodes[input]);
            read[input].extend(cols);
        }
    }
    plan
}

/// Leaves out what nobody wants, where the operator can.
fn trim(node: &mut FlatNode, wanted: &Cols) {
    match &mut node.op {
        FlatOp::Project(exprs) => exprs.retain(|(col, _)| wanted.contains(col)),
        FlatOp::Aggregate { aggs, .. } => {
            aggs.retain(|agg| agg.function != AggFn::Given || wanted.contains(&agg.out));
        }
        FlatOp::Join { take, .. } => take.retain(|(_, _, name)| wanted.contains(name)),
        FlatOp::Chain { emit, .. }
            if *emit == Emit::Value && !node.markers && !wanted.contains(&Col::Value) =>
        {
            *emit = Emit::Nothing;
        }
        _ => {}
    }
    let mut always = own_columns(&node.op);
    if matches!(node.op, FlatOp::Chain { most: Some(_), .. }) {
        // It counts what each group has given.
        always.extend(keys(node.depth));
    }
    node.cols.retain(|col| wanted.contains(col) || always.contains(col));
}

/// Columns that an operator gives whether they are wanted or not.
fn own_columns(op: &FlatOp) -> Vec<Col> {
    match op {
        FlatOp::Files(_) | FlatOp::Literal(_) | FlatOp::Unpack(_) | FlatOp::Compared(_) => vec![Col::Value],
        FlatOp::Sequential { .. } => vec![Col::Value],
        FlatOp::Aggregate { keys, aggs, .. } => {
            keys.iter().copied().chain(aggs.iter().map(|agg| agg.out)).collect()
        }
        FlatOp::Chain { emit, .. } => match emit {
            Emit::Nothing => vec![],
            Emit::Value => vec![Col::Value],
            Emit::Key => vec![Col::Join, Col::JoinShown],
            Emit::Pair => vec![Col::Join, Col::JoinShown, Col::Value],
            Emit::Ordered { .. } => vec![Col::Value, Col::Order],
        },
        FlatOp::Number => vec![Col::Pos],
        FlatOp::Rank { .. } => vec![Col::Rank],
        FlatOp::Sort { by } | FlatOp::SortParts { by } => by.iter().map(|by| by.col).collect(),
        FlatOp::CheckOrder => vec![Col::Order],
        FlatOp::Exchange { kind: ExchangeKind::Hash { by, .. }, .. } => by.clone(),
        FlatOp::Exchange { kind: ExchangeKind::Direct { by, .. }, .. } => vec![*by],
        FlatOp::Exchange { kind: ExchangeKind::Sorted { .. }, .. } => vec![Col::Rank],
        FlatOp::Present(col) => vec![*col],
        _ => vec![],
    }
}

/// What an operator reads of one of its inputs, to give the columns that it still has.
fn reads(node: &FlatNode, number: usize, input: &FlatNode) -> Cols {
    let mut cols: Cols = match &node.op {
        FlatOp::Project(exprs) => exprs.iter().flat_map(|(_, expr)| expr_reads(expr)).collect(),
        FlatOp::Aggregate { keys, aggs, phase: Phase::Final, .. } => {
            keys.iter().copied().chain(aggs.iter().map(|agg| agg.out)).collect()
        }
        FlatOp::Aggregate { keys, aggs, .. } => {
            keys.iter().copied().chain(aggs.iter().flat_map(|agg| agg.args.iter().copied())).collect()
        }
        FlatOp::Join { on, take, .. } => {
            let on = on.iter().map(|(left, right)| if number == 0 { *left } else { *right });
            let taken = take.iter().filter(|(right, ..)| *right == (number == 1)).map(|(_, col, _)| *col);
            on.chain(taken).collect()
        }
        FlatOp::Chain { sides, .. } | FlatOp::Sequential { sides, .. } => {
            let own = own_columns(&node.op);
            let carried = node.cols.iter().copied().filter(|col| !own.contains(col));
            let by_column = sides.iter().filter_map(|side| match side.from {
                SideFrom::Column(number) => Some(Col::Side(number)),
                SideFrom::Open => None,
            });
            let mut cols: Cols = carried.chain(by_column).collect();
            if matches!(node.op, FlatOp::Sequential { .. }) {
                cols.extend(keys(node.depth));
            }
            cols.insert(Col::Value);
            if number > 0 { Cols::from([Col::Value]) } else { cols }
        }
        FlatOp::Unpack(col) => node.cols.iter().copied().filter(|c| *c != Col::Value).chain([*col]).collect(),
        FlatOp::Compared(_) => {
            node.cols.iter().copied().chain([Col::Value, Col::Side(0), Col::Side(1)]).collect()
        }
        FlatOp::Rank { sample, .. } if number > 0 => Cols::from([*sample]),
        FlatOp::Rank { .. } => node.cols.iter().copied().chain([Col::Order, Col::Pos]).collect(),
        FlatOp::Number => node.cols.iter().copied().filter(|col| *col != Col::Pos).collect(),
        _ => node.cols.iter().copied().chain(own_columns(&node.op)).collect(),
    };
    cols.retain(|col| input.cols.contains(col));
    cols
}

fn expr_reads(expr: &Expr) -> Vec<Col> {
    match expr {
        Expr::Col(col) | Expr::IsZero(col) => vec![*col],
        Expr::Null | Expr::Cell(_) => vec![],
        Expr::Position { col, .. } => vec![*col],
        Expr::Given(first, second) | Expr::Coalesce(first, second) => vec![*first, *second],
        Expr::Tuple(parts) => parts.iter().flat_map(expr_reads).collect(),
        Expr::Where(col, inner) => std::iter::once(*col).chain(expr_reads(inner)).collect(),
        Expr::JoinedGiven(a, b, c, d) => vec![*a, *b, *c, *d],
    }
}
