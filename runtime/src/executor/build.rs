//! Flat operators to DataFusion plan nodes: one match.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::{JoinType, NullEquality, ScalarValue};
use datafusion_expr::AggregateUDF;
use datafusion_physical_expr::aggregate::AggregateExprBuilder;
use datafusion_physical_expr::expressions::{Column, IsNotNullExpr, Literal};
use datafusion_physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::filter::FilterExecBuilder;
use datafusion_physical_plan::joins::{CrossJoinExec, HashJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::sorts::sort::SortExec;

use super::aggregates::CellAggregate;
use super::columns::schema;
use super::operators::{
    call_chain, check_order, compared, limit, number, project, rank, root_group, sequential, unpack,
};
use super::stream::StreamExec;
use super::tee::Tee;
use super::{Task, TaskEnv, leaves};
use crate::blocks::Place;
use crate::error::Result;
use crate::internal;
use crate::plan::flat::*;

type Plan = Arc<dyn ExecutionPlan>;

struct Builder<'a> {
    task: &'a Task,
    env: &'a TaskEnv,
    uses: Vec<usize>,
    shared: HashMap<FlatId, Tee>,
}

/// The plan of each output of the task's stage.
pub fn build(task: &Task, env: &TaskEnv) -> Result<Vec<Plan>> {
    let mut uses = vec![0; task.stage.nodes.len()];
    let inputs = task.stage.nodes.iter().flat_map(|node| node.inputs.iter().copied());
    inputs.chain(task.stage.outputs.iter().map(|output| output.node)).for_each(|id| uses[id] += 1);
    let mut builder = Builder { task, env, uses, shared: HashMap::new() };
    task.stage.outputs.iter().map(|output| builder.node(output.node)).collect()
}

fn col(plan: &Plan, col: Col) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(Arc::new(Column::new_with_schema(&col.to_string(), &plan.schema())?))
}

impl Builder<'_> {
    fn node(&mut self, id: FlatId) -> Result<Plan> {
        if self.uses[id] == 1 {
            return self.operator(id);
        }
        if !self.shared.contains_key(&id) {
            let plan = self.operator(id)?;
            self.shared.insert(id, Tee::new(plan));
        }
        let tee = self.shared.get(&id).ok_or_else(|| internal!("a shared node was lost"))?;
        Ok(tee.reader()?)
    }

    /// An operator whose errors say where it stands in the user's program. The others do by themselves.
    fn operator(&mut self, id: FlatId) -> Result<Plan> {
        let node = &self.task.stage.nodes[id];
        let plan = self.bare_operator(id).map_err(|error| error.at(node.site.as_ref()))?;
        let named = match &node.op {
            FlatOp::Aggregate { .. }
            | FlatOp::Sort { .. }
            | FlatOp::SortParts { .. }
            | FlatOp::Join { .. } => true,
            // Without steps, the host does not know whose rows it shapes.
            FlatOp::Chain { steps, .. } if steps.is_empty() => true,
            _ => node.inputs.is_empty(),
        };
        Ok(match named {
            true => StreamExec::located(plan, node.site.clone(), self.env.progress.clone()),
            false => plan,
        })
    }

    fn bare_operator(&mut self, id: FlatId) -> Result<Plan> {
        let node = &self.task.stage.nodes[id];
        let out = schema(&node.cols);
        if node.inputs.is_empty() {
            return leaves::leaf(self.task, self.env, id, node);
        }
        if let FlatOp::Union { .. } = node.op {
            // A branch that has no share of the input belongs to other tasks of the stage.
            let branches: Vec<_> =
                node.inputs.iter().copied().filter(|&input| self.has_share(input)).collect();
            let parts = branches.into_iter().map(|input| self.node(input)).collect::<Result<Vec<_>>>()?;
            return Ok(union(parts, out));
        }
        let input = self.node(node.inputs[0])?;
        match &node.op {
            FlatOp::Chain { steps, emit, keep_groups_from, sides, most } => {
                let program = nestflow_chain::Program::Records {
                    steps: steps.clone(),
                    emit: emit.clone(),
                    keep_groups_from: *keep_groups_from,
                    most: *most,
                };
                let spec = chain_spec(program, sides);
                let open = self.open_sides(node)?;
                let levels = node.depth - count_new_levels(steps);
                Ok(call_chain::plan(input, node, spec, open, levels, self.env))
            }
            FlatOp::Sequential { program, sides, at_least_one, .. } => {
                let spec = chain_spec(program.clone(), sides);
                let open = self.open_sides(node)?;
                Ok(sequential::plan(input, node, spec, open, *at_least_one, self.env))
            }
            FlatOp::Project(exprs) => Ok(project::plan(input, node, exprs.clone())),
            FlatOp::Present(of) => {
                let present = Arc::new(IsNotNullExpr::new(col(&input, *of)?));
                // It makes room for a whole batch, however few rows come: no more than this task's.
                let rows = self.env.context.session_config().batch_size();
                Ok(Arc::new(FilterExecBuilder::new(present, input).with_batch_size(rows).build()?))
            }
            FlatOp::Aggregate { keys, aggs, phase, at_least_one } => {
                if !*at_least_one {
                    return self.aggregate(input, keys, aggs, *phase);
                }
                // The row that makes the global group exist is a row of empty states.
                let states = match phase {
                    Phase::Final => input,
                    _ => self.aggregate(input, keys, aggs, Phase::Partial)?,
                };
                self.aggregate(root_group::plan(states), keys, aggs, Phase::Final)
            }
            FlatOp::Unpack(packed) => Ok(unpack::plan(input, node, *packed)),
            FlatOp::Compared(kind) => Ok(compared::plan(input, node, *kind)),
            FlatOp::Number => Ok(number::plan(input, node, self.task.ordinal)),
            FlatOp::Rank { sample, descending, parts } => {
                let from = self.node(node.inputs[1])?;
                Ok(rank::plan(input, from, node, (*sample, *descending, *parts), self.env))
            }
            FlatOp::Sort { by } | FlatOp::SortParts { by } => sort(input, by),
            FlatOp::CheckOrder => Ok(check_order::plan(input, node)),
            FlatOp::Limit(rows) => Ok(limit::plan(input, *rows)),
            FlatOp::Join { on, kind, take } => {
                let right = self.node(node.inputs[1])?;
                let heavy = self.is_heavy(node.inputs[1]);
                // What is not read any more may still be there.
                let left_width = input.schema().fields().len();
                rename(join(input, right, on, *kind, heavy)?, take, left_width, out)
            }
            op => Err(internal!("{op} has no place inside a stage")),
        }
    }

    /// Whether the task reads anything of its own below this node; what all tasks read does not count.
    fn has_share(&self, id: FlatId) -> bool {
        let node = &self.task.stage.nodes[id];
        if let FlatOp::Read { exchange } = node.op
            && self.task.exchanges.get(exchange as usize).is_some_and(|e| e.kind == ExchangeKind::Broadcast)
        {
            return false;
        }
        let own = self.task.leaves.iter().any(|(leaf, _)| *leaf == id);
        own || node.inputs.iter().any(|&input| self.has_share(input))
    }

    fn open_sides(&mut self, node: &FlatNode) -> Result<Vec<Plan>> {
        node.inputs[1..].iter().map(|&input| self.node(input)).collect()
    }

    /// Whether a join's build side is too large to be held: by the bytes of what it reads.
    fn is_heavy(&self, id: FlatId) -> bool {
        let mut bytes = 0;
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let node = &self.task.stage.nodes[id];
            pending.extend(&node.inputs);
            let share = self.task.leaves.iter().find(|(leaf, _)| *leaf == id).map(|(_, share)| share);
            bytes += match (&node.op, share) {
                (FlatOp::Read { exchange }, Some(super::LeafShare::Channel(channel))) => {
                    self.env.blocks.bytes(Place::Exchange(*exchange), *channel)
                }
                (FlatOp::Held { cache }, Some(super::LeafShare::Channel(channel))) => {
                    self.env.blocks.bytes(Place::Kept(*cache), *channel)
                }
                (FlatOp::Files(_), Some(super::LeafShare::Split(split))) => split.bytes(),
                _ => 0,
            };
        }
        // Blocks take about twice their size as columns with a hash table.
        bytes > self.env.pool.limit() as u64 / 4
    }

    fn aggregate(&self, input: Plan, keys: &[Col], aggs: &[Agg], phase: Phase) -> Result<Plan> {
        let mut groups: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for key in keys {
            groups.push((col(&input, *key)?, key.to_string()));
        }
        if keys.is_empty() {
            // One group of everything: a constant key, so that there is only one way to aggregate.
            groups.push((Arc::new(Literal::new(ScalarValue::Boolean(Some(true)))), "all".into()));
        }
        let mode = match phase {
            Phase::Single => AggregateMode::Single,
            Phase::Partial => AggregateMode::Partial,
            Phase::Final => AggregateMode::Final,
        };
        let input_schema = input.schema();
        let mut functions = Vec::new();
        for agg in aggs {
            let udf = AggregateUDF::from(CellAggregate::new(agg.clone(), self.env.host.clone()));
            let args = match phase {
                Phase::Final => vec![col(&input, agg.out)?],
                _ if agg.args.is_empty() => {
                    vec![Arc::new(Literal::new(ScalarValue::Boolean(Some(true)))) as Arc<dyn PhysicalExpr>]
                }
                _ => agg.args.iter().map(|arg| col(&input, *arg)).collect::<Result<Vec<_>>>()?,
            };
            let built = AggregateExprBuilder::new(Arc::new(udf), args)
                .schema(input_schema.clone())
                .alias(agg.out.to_string())
                .build()?;
            functions.push(Arc::new(built));
        }
        // In a final phase the columns are found by position: keys, then states.
        let input = match phase {
            Phase::Final => {
                let mut exprs = Vec::new();
                for key in keys {
                    exprs.push((col(&input, *key)?, key.to_string()));
                }
                if keys.is_empty() {
                    exprs.push((groups[0].0.clone(), "all".to_string()));
                    groups[0].0 = Arc::new(Column::new("all", 0));
                }
                for agg in aggs {
                    exprs.push((col(&input, agg.out)?, agg.out.to_string()));
                }
                for (position, (expr, name)) in groups.iter_mut().enumerate() {
                    *expr = Arc::new(Column::new(name, position));
                }
                Arc::new(ProjectionExec::try_new(exprs, input)?) as Plan
            }
            _ => input,
        };
        let filters = vec![None; functions.len()];
        let exec = AggregateExec::try_new(
            mode,
            PhysicalGroupBy::new_single(groups),
            functions,
            filters,
            input.clone(),
            input.schema(),
        )?;
        Ok(Arc::new(exec))
    }
}

fn chain_spec(program: nestflow_chain::Program, sides: &[ChainSide]) -> nestflow_chain::ChainSpec {
    let sides =
        sides.iter().map(|side| nestflow_chain::Side { shape: side.shape, from: side.from }).collect();
    nestflow_chain::ChainSpec { program, sides }
}

fn count_new_levels(steps: &[nestflow_chain::Step]) -> u32 {
    use nestflow_chain::StepKind::{KeyBy, Split};
    steps.iter().filter(|step| matches!(step.kind, KeyBy { .. } | Split)).count() as u32
}

fn union(parts: Vec<Plan>, out: Arc<Schema>) -> Plan {
    StreamExec::plan("Union", out.clone(), move |context| {
        use futures::StreamExt;
        let streams = parts
            .into_iter()
            .map(|part| part.execute(0, context.clone()))
            .collect::<datafusion_common::Result<Vec<_>>>()?;
        let rows = futures::stream::iter(streams).flatten();
        Ok(rows.map(move |batch| Ok(super::columns::select(&batch?, &out)?)).boxed())
    })
}

fn sort(input: Plan, by: &[SortBy]) -> Result<Plan> {
    let mut exprs = Vec::new();
    for by in by {
        let options = SortOptions { descending: by.descending, nulls_first: true };
        exprs.push(PhysicalSortExpr { expr: col(&input, by.col)?, options });
    }
    let ordering = LexOrdering::new(exprs).ok_or_else(|| internal!("a sort by nothing"))?;
    Ok(Arc::new(SortExec::new(ordering, input)))
}

/// A hash join holds the right side; where that is too large, both sides are sorted and merged. Rows
/// keep the order of the left side (within equal keys, where they were sorted).
fn join(left: Plan, right: Plan, on: &[(Col, Col)], kind: FlatJoin, heavy: bool) -> Result<Plan> {
    if kind == FlatJoin::Cross {
        return Ok(Arc::new(CrossJoinExec::new(left, right)));
    }
    let mut pairs = Vec::new();
    for (l, r) in on {
        pairs.push((col(&left, *l)?, col(&right, *r)?));
    }
    if heavy {
        let by = |side: &Plan, left_side: bool| -> Result<Plan> {
            let mut by: Vec<_> = on
                .iter()
                .map(|(l, r)| SortBy { col: if left_side { *l } else { *r }, descending: false })
                .collect();
            if side.schema().column_with_name("p").is_some() {
                by.push(SortBy { col: Col::Pos, descending: false });
            }
            sort(side.clone(), &by)
        };
        let (left, right) = (by(&left, true)?, by(&right, false)?);
        let join_type = match kind {
            FlatJoin::Inner | FlatJoin::Cross => JoinType::Inner,
            FlatJoin::Left => JoinType::Left,
            FlatJoin::Anti => JoinType::LeftAnti,
            FlatJoin::Full => JoinType::Full,
        };
        let options = vec![SortOptions { descending: false, nulls_first: true }; on.len()];
        let nulls = NullEquality::NullEqualsNothing;
        let join = SortMergeJoinExec::try_new(left, right, pairs, None, join_type, options, nulls)?;
        return Ok(Arc::new(join));
    }
    // The build side is DataFusion's left one; the probe side keeps its order.
    let left = if kind == FlatJoin::Full { left } else { number::in_declared_order(left)? };
    let pairs = pairs.into_iter().map(|(l, r)| (r, l)).collect();
    let join_type = match kind {
        FlatJoin::Inner | FlatJoin::Cross => JoinType::Inner,
        FlatJoin::Left => JoinType::Right,
        FlatJoin::Anti => JoinType::RightAnti,
        FlatJoin::Full => JoinType::Full,
    };
    let nulls = NullEquality::NullEqualsNothing;
    let mode = PartitionMode::CollectLeft;
    let join = HashJoinExec::try_new(right, left, pairs, None, &join_type, None, mode, nulls, false)?;
    if kind == FlatJoin::Anti {
        return Ok(Arc::new(join));
    }
    // Put the sides back in order: left columns first.
    let schema = join.schema();
    let right_width = join.left().schema().fields().len();
    let width = schema.fields().len();
    let exprs = (right_width..width)
        .chain(0..right_width)
        .map(|i| {
            let name = schema.field(i).name().clone();
            (Arc::new(Column::new(&name, i)) as Arc<dyn PhysicalExpr>, name)
        })
        .collect::<Vec<_>>();
    Ok(Arc::new(ProjectionExec::try_new(exprs, Arc::new(join))?))
}

/// The columns that a join hands on, by side and under their new names.
fn rename(joined: Plan, take: &[(bool, Col, Col)], left_width: usize, out: Arc<Schema>) -> Result<Plan> {
    let joined_schema = joined.schema();
    let mut picks = Vec::new();
    for (from_right, of, _) in take {
        let mut range = if *from_right { left_width..joined_schema.fields().len() } else { 0..left_width };
        let name = of.to_string();
        let found = range.find(|&i| *joined_schema.field(i).name() == name);
        picks.push(found.ok_or_else(|| internal!("a join without column {name}"))?);
    }
    Ok(StreamExec::plan("Pick", out.clone(), move |context| {
        use futures::StreamExt;
        let rows = joined.execute(0, context)?;
        let pick = move |batch: datafusion_common::Result<arrow::array::RecordBatch>| {
            let batch = batch?;
            let columns = picks.iter().map(|&i| batch.column(i).clone()).collect();
            Ok(super::columns::batch(&out, columns, batch.num_rows())?)
        };
        Ok(rows.map(pick).boxed())
    }))
}

/// The type that all cells have.
pub fn cell_type() -> DataType {
    DataType::BinaryView
}
