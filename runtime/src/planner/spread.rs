//! How an operator's rows are spread over tasks, by how its first input's are. What is not known to stay
//! is not known.

use nestflow_chain::{Emit, StepKind};

use crate::plan::flat::*;
use crate::plan::stage::{Part, Spread};

/// The spread of what comes out of a node with this id, whose first input has a spread and a depth.
pub fn after(id: FlatId, node: &FlatNode, input: Option<(&Spread, u32)>) -> Spread {
    match (&node.op, kept_by(node, input)) {
        // No two rows share a position, so that whatever it is the key of lies in one part.
        (FlatOp::Project(exprs), Spread::Any)
            if matches!(first_of_pair(exprs), Some(Expr::Position { .. })) =>
        {
            Spread::First { part: Part::Numbered(id) }
        }
        (_, spread) => spread,
    }
}

fn kept_by(node: &FlatNode, input: Option<(&Spread, u32)>) -> Spread {
    let depth = input.map_or(0, |(_, depth)| depth);
    match (&node.op, input.map(|(spread, _)| spread)) {
        (FlatOp::Literal(blocks), _) if blocks.len() <= 1 => Spread::Single,
        (_, None | Some(Spread::Any)) | (FlatOp::Union { aligned: false }, _) => Spread::Any,
        (_, Some(Spread::Single)) => Spread::Single,
        (FlatOp::Join { kind: FlatJoin::Full, .. }, _) => Spread::Any,
        (op, Some(Spread::Together { by, part })) => after_together(node, op, by, *part),
        (op, Some(Spread::First { part })) => after_first(node, op, *part, depth),
    }
}

fn after_together(node: &FlatNode, op: &FlatOp, by: &[Col], part: Part) -> Spread {
    let stays = |col: &Col| match op {
        FlatOp::Project(exprs) => exprs.iter().any(|(out, expr)| out == col && is_col(expr, *col)),
        // A chain renews the key of its end.
        FlatOp::Chain { .. } => matches!(col, Col::Key(_)) && node.cols.contains(col),
        // Of a join, the copies lie where the groups are.
        _ => node.cols.contains(col),
    };
    if by.iter().all(stays) {
        return Spread::Together { by: by.to_vec(), part };
    }
    // Pairs that begin with the key: `flatten`, and what a join gives.
    match op {
        FlatOp::Project(exprs) if node.depth == 0 => match first_of_pair(exprs) {
            Some(Expr::Given(_, first)) if by == [*first] => Spread::First { part },
            _ => Spread::Any,
        },
        _ => Spread::Any,
    }
}

/// Whether it is the column wherever that has a value: outer joins, after which it may have none, are
/// spread in no known way.
fn is_col(expr: &Expr, col: Col) -> bool {
    matches!(expr, Expr::Col(of) | Expr::Coalesce(of, _) if *of == col)
}

/// The first element of the records, where these are made as pairs.
fn first_of_pair(exprs: &[(Col, Expr)]) -> Option<&Expr> {
    let mut value = exprs.iter().find(|(col, _)| *col == Col::Value).map(|(_, expr)| expr)?;
    while let Expr::Where(_, inner) = value {
        value = inner;
    }
    match value {
        Expr::Tuple(parts) => match parts.as_slice() {
            [first, _] => Some(first),
            _ => None,
        },
        _ => None,
    }
}

/// The key cell of the first element is what a join or a grouping of these pairs goes by.
fn after_first(node: &FlatNode, op: &FlatOp, part: Part, depth: u32) -> Spread {
    let same = |expr: &Expr| *expr == Expr::Col(Col::Value);
    match op {
        FlatOp::Chain { steps, emit: Emit::Pair, .. } if steps.is_empty() && node.depth == 0 => {
            Spread::Together { by: vec![Col::Join], part }
        }
        FlatOp::Chain { steps, .. } if steps.is_empty() => Spread::Any,
        FlatOp::Chain { steps, .. } if matches!(steps[0].kind, StepKind::Split) && node.depth > depth => {
            Spread::Together { by: vec![Col::Key(depth + 1)], part }
        }
        FlatOp::Project(exprs) if exprs.iter().any(|(col, expr)| *col == Col::Value && same(expr)) => {
            Spread::First { part }
        }
        FlatOp::Present(_) | FlatOp::Number | FlatOp::Limit(_) | FlatOp::Union { aligned: true } => {
            Spread::First { part }
        }
        _ => Spread::Any,
    }
}
