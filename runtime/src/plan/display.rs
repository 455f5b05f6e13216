//! The one text form of plans: explain, logs and golden tests use it. Stable.

use std::fmt::{self, Display, Formatter};

use nestflow_chain::{Emit, Program, Sequential, StepKind};

use super::flat::*;
use super::logical::{SinkForm, SourceForm};
use super::stage::*;

impl Display for Col {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Col::Key(level) => write!(f, "k{level}"),
            Col::Shown(level) => write!(f, "s{level}"),
            Col::Join => f.write_str("j"),
            Col::JoinShown => f.write_str("js"),
            Col::Value => f.write_str("v"),
            Col::Order => f.write_str("o"),
            Col::Pos => f.write_str("p"),
            Col::Side(number) => write!(f, "x{number}"),
            Col::RightKey(level) => write!(f, "rk{level}"),
            Col::Rank => f.write_str("r"),
            Col::RightShown(level) => write!(f, "rs{level}"),
            Col::Agg(number) => write!(f, "a{number}"),
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Col(col) => write!(f, "{col}"),
            Expr::Null => f.write_str("-"),
            Expr::Cell(bytes) => f.write_str(&nestflow_batch::repr::repr(bytes)),
            Expr::Given(shown, key) => write!(f, "given({shown}, {key})"),
            Expr::Tuple(parts) => {
                f.write_str("(")?;
                for (number, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if number == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Expr::Where(col, inner) => write!(f, "{inner} where {col}"),
            Expr::IsZero(col) => write!(f, "{col} = 0"),
            Expr::JoinedGiven(lk, ls, rk, rs) => write!(f, "given({lk}, {ls} | {rk}, {rs})"),
            Expr::Position { col, .. } => write!(f, "{col}"),
            Expr::Coalesce(first, second) => write!(f, "{first} or {second}"),
        }
    }
}

impl Display for AggFn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AggFn::Given => f.write_str("given"),
            AggFn::Count => f.write_str("count"),
            AggFn::Sum(_) => f.write_str("sum"),
            AggFn::Fold { partial, .. } => match &partial.program {
                Program::Fold { step, .. } => write!(f, "fold {}", step.name),
                Program::Combine { function, .. } => write!(f, "combine {}", function.name),
                _ => f.write_str("fold"),
            },
            AggFn::Extreme { largest } => f.write_str(if *largest { "max" } else { "min" }),
            AggFn::Top { limit, largest } => write!(f, "{} {limit}", if *largest { "top" } else { "bottom" }),
            AggFn::Sorted { limit, descending } => {
                write!(f, "first {limit} {}", if *descending { "descending" } else { "ascending" })
            }
            AggFn::First { limit } => write!(f, "first {limit}"),
            AggFn::Sample { .. } => f.write_str("sample"),
            AggFn::ToList => f.write_str("list"),
        }
    }
}

fn cols(cols: &[Col]) -> String {
    cols.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// `map split at visits.py:3`.
fn step(step: &nestflow_chain::Step) -> String {
    let (verb, name) = match &step.kind {
        StepKind::Map(function) => ("map", function.name.as_str()),
        StepKind::FlatMap(function) => ("flat_map", function.name.as_str()),
        StepKind::Filter(function) => ("filter", function.name.as_str()),
        StepKind::Foreach(function) => ("foreach", function.name.as_str()),
        StepKind::KeyBy { key, .. } => ("key", key.name.as_str()),
        StepKind::Split => ("key", "first of pair"),
    };
    format!("{verb} {name}")
}

fn emit(emit: &Emit) -> &'static str {
    match emit {
        Emit::Nothing => "",
        Emit::Value => "",
        Emit::Key => " → key of record",
        Emit::Pair => " → pair",
        Emit::Ordered { .. } => " → record, sort key",
    }
}

fn sequential(kind: &Sequential) -> String {
    match kind {
        Sequential::Accumulate { step, .. } => format!("accumulate {}", step.name),
        Sequential::Reduce(function) => format!("reduce {}", function.name),
        Sequential::Transform { step, .. } => format!("transform {}", step.name),
        Sequential::Transformer(function) => format!("transform {}", function.name),
        Sequential::Whole(function) => format!("combine whole {}", function.name),
    }
}

fn sort_by(by: &[SortBy]) -> String {
    let one = |by: &SortBy| format!("{}{}", by.col, if by.descending { " desc" } else { "" });
    by.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Display for ExchangeKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeKind::Hash { by, parts } => write!(f, "hash({}) of {parts}", cols(by)),
            ExchangeKind::Sorted { parts } => write!(f, "sorted of {parts}"),
            ExchangeKind::Gather => f.write_str("gather"),
            ExchangeKind::Broadcast => f.write_str("broadcast"),
            ExchangeKind::Forward => f.write_str("forward"),
            ExchangeKind::Direct { by, parts } => write!(f, "direct({by}) of {parts}"),
            ExchangeKind::RoundRobin { parts } => write!(f, "round_robin of {parts}"),
        }
    }
}

impl Display for FlatOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FlatOp::Files(source) => {
                let what = match source.form {
                    SourceForm::Text { .. } => "text",
                    SourceForm::Sequence => "sequence",
                    SourceForm::Names => "files of",
                };
                let named = if source.named { " with names" } else { "" };
                write!(f, "{what}{named} {}", source.paths.join(", "))
            }
            FlatOp::Literal(blocks) => write!(f, "literal of {} blocks", blocks.len()),
            FlatOp::Held { cache } => write!(f, "held #{cache}"),
            FlatOp::Chain { steps, emit: end, keep_groups_from, sides, most } => {
                let steps: Vec<_> = steps.iter().map(step).collect();
                write!(f, "chain [{}]{}", steps.join(" · "), emit(end))?;
                if let Some(from) = keep_groups_from {
                    write!(f, " · markers from step {from}")?;
                }
                if let Some(most) = most {
                    write!(f, " · the first {most} of each group")?;
                }
                if !sides.is_empty() {
                    write!(f, " · {} sides", sides.len())?;
                }
                Ok(())
            }
            FlatOp::Project(exprs) => {
                let exprs: Vec<_> = exprs
                    .iter()
                    .filter(|(col, expr)| *expr != Expr::Col(*col))
                    .map(|(col, expr)| format!("{col} = {expr}"))
                    .collect();
                write!(f, "project {}", exprs.join(", "))
            }
            FlatOp::Present(col) => write!(f, "where {col}"),
            FlatOp::Aggregate { keys, aggs, phase, at_least_one } => {
                let phase = match phase {
                    Phase::Single => "",
                    Phase::Partial => " partial",
                    Phase::Final => " final",
                };
                let aggs: Vec<_> = aggs
                    .iter()
                    .filter(|agg| agg.function != AggFn::Given)
                    .map(|agg| format!("{} = {}({})", agg.out, agg.function, cols(&agg.args)))
                    .collect();
                let by = if keys.is_empty() { "all".into() } else { cols(keys) };
                let verb = if aggs.is_empty() { "distinct" } else { "aggregate" };
                write!(f, "{verb}{phase} by {by}")?;
                if !aggs.is_empty() {
                    write!(f, ": {}", aggs.join(", "))?;
                }
                f.write_str(if *at_least_one { " · at least one" } else { "" })
            }
            FlatOp::Unpack(col) => write!(f, "unpack {col}"),
            FlatOp::Compared(kind) => write!(f, "compared {kind:?}"),
            FlatOp::Number => f.write_str("number"),
            FlatOp::Sort { by } => write!(f, "sort by {}", sort_by(by)),
            FlatOp::SortParts { by } => write!(f, "sort part by {}", sort_by(by)),
            FlatOp::CheckOrder => f.write_str("check order"),
            FlatOp::Rank { sample, .. } => write!(f, "rank by {sample}"),
            FlatOp::Limit(n) => write!(f, "limit {n}"),
            FlatOp::Sequential { program, at_least_one, parts, .. } => {
                if let Program::Sequential { kind, .. } = program {
                    write!(f, "{}", sequential(kind))?;
                }
                f.write_str(if *at_least_one { " · at least one" } else { "" })?;
                f.write_str(if *parts { " · by parts" } else { "" })
            }
            FlatOp::Join { on, kind, .. } => {
                let on: Vec<_> = on
                    .iter()
                    .map(
                        |(left, right)| {
                            if left == right { format!("{left}") } else { format!("{left} = {right}") }
                        },
                    )
                    .collect();
                write!(f, "{} join on {}", format!("{kind:?}").to_lowercase(), on.join(", "))
            }
            FlatOp::Union { aligned } => write!(f, "union{}", if *aligned { " part by part" } else { "" }),
            FlatOp::Exchange { kind, .. } => write!(f, "exchange {kind}"),
            FlatOp::Read { exchange } => write!(f, "read exchange {exchange}"),
        }
    }
}

fn write_nodes(f: &mut Formatter<'_>, nodes: &[FlatNode]) -> fmt::Result {
    for (id, node) in nodes.iter().enumerate() {
        let inputs: Vec<_> = node.inputs.iter().map(|input| format!("{input}")).collect();
        let inputs = if inputs.is_empty() { String::new() } else { format!(" ← {}", inputs.join(", ")) };
        let markers = if node.markers { " ?" } else { "" };
        write!(f, "  {id}: {}{inputs}  [{}{markers}]", node.op, cols(&node.cols))?;
        match &node.site {
            Some(site) => writeln!(f, "  # {} at {}:{}", site.transform, file_name(&site.file), site.line)?,
            None => writeln!(f)?,
        }
    }
    Ok(())
}

/// The last part of a path: plans print alike wherever the program lies.
pub fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

impl Display for FlatPlan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_nodes(f, &self.nodes)?;
        for root in &self.roots {
            writeln!(f, "  {} → {}", root.node, root.sink)?;
        }
        Ok(())
    }
}

impl Display for Sink {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Sink::Keep(cache) => write!(f, "keep #{cache}"),
            Sink::Files { sink, .. } => match sink.form {
                SinkForm::Text { .. } => write!(f, "text {}", sink.path),
                SinkForm::Sequence { .. } => write!(f, "sequence {}", sink.path),
            },
            Sink::Drain => f.write_str("drain"),
        }
    }
}

impl Display for StageGraph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for stage in &self.stages {
            writeln!(f, "stage {}", stage.id)?;
            write_nodes(f, &stage.nodes)?;
            for output in &stage.outputs {
                match &output.to {
                    OutputTo::Exchange { exchange, .. } => {
                        let exchange = &self.exchanges[*exchange as usize];
                        writeln!(
                            f,
                            "  {} ⇒ exchange {} {} — {}",
                            output.node, exchange.id, exchange.kind, exchange.reason
                        )?;
                    }
                    OutputTo::Sink(sink) => writeln!(f, "  {} → {sink}", output.node)?,
                }
            }
        }
        Ok(())
    }
}
