//! How an operator's rows are spread over tasks, by how its first input's are. What is not known to stay
//! is not known.

use nestflow_chain::{Emit, StepKind};

use crate::plan::flat::*;
use crate::plan::stage::Spread;

/// The spread of what comes out.
pub fn after(node: &FlatNode, input: Option<&Spread>) -> Spread {
    match (&node.op, input) {
        (FlatOp::Literal(blocks), _) if blocks.len() <= 1 => Spread::Single,
        (_, None | Some(Spread::Any)) | (FlatOp::Union { aligned: false }, _) => Spread::Any,
        (_, Some(Spread::Single)) => Spread::Single,
        (FlatOp::Join { kind: FlatJoin::Full, .. }, _) => Spread::Any,
        (op, Some(Spread::Hash { by, parts })) => after_hash(node, op, by, *parts),
        (op, Some(Spread::First { parts })) => after_first(node, op, *parts),
    }
}

fn after_hash(node: &FlatNode, op: &FlatOp, by: &[Col], parts: u32) -> Spread {
    let stays = |col: &Col| match op {
        FlatOp::Project(exprs) => exprs.iter().any(|(out, expr)| out == col && is_col(expr, *col)),
        // A chain renews the key of its end.
        FlatOp::Chain { .. } => matches!(col, Col::Key(_)) && node.cols.contains(col),
        // Of a join, the copies lie where the groups are.
        _ => node.cols.contains(col),
    };
    if by.iter().all(stays) {
        return Spread::Hash { by: by.to_vec(), parts };
    }
    // Pairs that begin with the key: `flatten`, and what a join gives.
    let pairs = match op {
        FlatOp::Project(exprs) if node.depth == 0 => {
            exprs.iter().find(|(col, _)| *col == Col::Value).map(|(_, expr)| expr)
        }
        _ => None,
    };
    match pairs.and_then(first_of_pair) {
        Some(first) if by == [first] => Spread::First { parts },
        _ => Spread::Any,
    }
}

/// Whether it is the column wherever that has a value: outer joins, after which it may have none, are
/// spread in no known way.
fn is_col(expr: &Expr, col: Col) -> bool {
    matches!(expr, Expr::Col(of) | Expr::Coalesce(of, _) if *of == col)
}

fn first_of_pair(expr: &Expr) -> Option<Col> {
    match expr {
        Expr::Where(_, inner) => first_of_pair(inner),
        Expr::Tuple(parts) => match parts.as_slice() {
            [Expr::Given(_, key), _] => Some(*key),
            _ => None,
        },
        _ => None,
    }
}

/// The key cell of the first element is what a join or a grouping of these pairs goes by.
fn after_first(node: &FlatNode, op: &FlatOp, parts: u32) -> Spread {
    let same = |expr: &Expr| *expr == Expr::Col(Col::Value);
    match op {
        FlatOp::Chain { steps, emit: Emit::Pair, .. } if steps.is_empty() && node.depth == 0 => {
            Spread::Hash { by: vec![Col::Join], parts }
        }
        FlatOp::Chain { steps, .. } if steps.is_empty() => Spread::Any,
        FlatOp::Chain { steps, .. } if matches!(steps[0].kind, StepKind::Split) && node.depth > 0 => {
            Spread::Hash { by: vec![Col::Key(1)], parts }
        }
        FlatOp::Project(exprs) if exprs.iter().any(|(col, expr)| *col == Col::Value && same(expr)) => {
            Spread::First { parts }
        }
        FlatOp::Present(_) | FlatOp::Number | FlatOp::Limit(_) | FlatOp::Union { aligned: true } => {
            Spread::First { parts }
        }
        _ => Spread::Any,
    }
}
