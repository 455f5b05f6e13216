//! Native expressions over cells.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::{CellBuilder, cell_at, null_column};
use nestflow_batch::key::rank_cmp;
use nestflow_batch::{put, tag};

use crate::error::Result;
use crate::executor::columns::{self, cells, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::plan::flat::{Col, Expr, FlatNode};

struct Project {
    exprs: Vec<(Col, Expr)>,
    out: SchemaRef,
}

/// The plan node of a projection.
pub fn plan(
    input: Arc<dyn ExecutionPlan>,
    node: &FlatNode,
    exprs: Vec<(Col, Expr)>,
) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let exprs = node.cols.iter().filter_map(|col| exprs.iter().find(|(of, _)| of == col).cloned()).collect();
    StreamExec::tactic("Project", out.clone(), input, Box::new(Project { exprs, out }))
}

impl Tactic for Project {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let arrays = self.exprs.iter().map(|(_, expr)| evaluate(expr, &batch)).collect::<Result<Vec<_>>>()?;
        out.push(columns::batch(&self.out, arrays, batch.num_rows())?);
        Ok(())
    }
}

fn evaluate(expr: &Expr, batch: &RecordBatch) -> Result<ArrayRef> {
    let rows = batch.num_rows();
    match expr {
        Expr::Col(col) => Ok(columns::column(batch, *col)?.clone()),
        Expr::Null => Ok(null_column(rows)),
        Expr::Cell(cell) => by_row(rows, |_, out| {
            out.extend_from_slice(cell);
            true
        }),
        Expr::Given(first, second) | Expr::Coalesce(first, second) => {
            let (first, second) = (columns::column(batch, *first)?, columns::column(batch, *second)?);
            if first.null_count() == rows {
                return Ok(second.clone());
            }
            let (first, second) = (array(first)?, array(second)?);
            by_row(rows, |row, out| put_cell(out, cell_at(first, row).or_else(|| cell_at(second, row))))
        }
        Expr::Tuple(parts) => {
            let parts = parts.iter().map(|part| evaluate(part, batch)).collect::<Result<Vec<_>>>()?;
            let parts = parts.iter().map(array).collect::<Result<Vec<_>>>()?;
            by_row(rows, |row, out| {
                put::open(out, tag::TUPLE);
                for part in &parts {
                    put::put_item(out, cell_at(part, row).unwrap_or(&[tag::NONE]));
                }
                put::close(out);
                true
            })
        }
        Expr::Where(col, inner) => {
            let inner = evaluate(inner, batch)?;
            let guard = columns::column(batch, *col)?;
            if guard.null_count() == 0 {
                return Ok(inner);
            }
            let inner = array(&inner)?;
            by_row(rows, |row, out| guard.is_valid(row) && put_cell(out, cell_at(inner, row)))
        }
        Expr::IsZero(col) => {
            let counts = cells(batch, *col)?;
            let mut built = CellBuilder::with_capacity(rows);
            for row in 0..rows {
                match cell_at(counts, row) {
                    Some(cell) => {
                        let zero = super::int_of(cell)? == 0;
                        put::put_bool(built.buffer(), zero);
                        built.commit();
                    }
                    None => built.append_null(),
                }
            }
            Ok(Arc::new(built.finish()?))
        }
        Expr::Position { col, text } => {
            let positions = columns::positions(columns::column(batch, *col)?)?;
            by_row(rows, |row, out| {
                let position = positions.value(row);
                match text {
                    true => put::put_str(out, format!("{position:x}").as_bytes(), false),
                    false => put::put_i64(out, position as i64),
                }
                true
            })
        }
        Expr::JoinedGiven(left_key, left_shown, right_key, right_shown) => {
            let column = |col| cells(batch, col);
            let (lk, ls) = (column(*left_key)?, column(*left_shown)?);
            let (rk, rs) = (column(*right_key)?, column(*right_shown)?);
            if ls.null_count() == rows && rs.null_count() == rows {
                return Ok(null_column(rows));
            }
            by_row(rows, |row, out| {
                let (left, right) = (cell_at(ls, row), cell_at(rs, row));
                let given = match (lk.is_valid(row), rk.is_valid(row)) {
                    (true, false) => left,
                    (false, true) => right,
                    _ if rank_cmp(right, left).is_lt() => right,
                    _ => left,
                };
                put_cell(out, given)
            })
        }
    }
}

fn array(array: &ArrayRef) -> Result<&BinaryViewArray> {
    use arrow::array::AsArray;
    array.as_binary_view_opt().ok_or_else(|| crate::internal!("an expression over what is no cell"))
}

fn put_cell(out: &mut Vec<u8>, cell: Option<&[u8]>) -> bool {
    cell.is_some_and(|cell| {
        out.extend_from_slice(cell);
        true
    })
}

/// A column whose cells `put` appends; a row for which it says no is null.
fn by_row(rows: usize, mut put: impl FnMut(usize, &mut Vec<u8>) -> bool) -> Result<ArrayRef> {
    let mut built = CellBuilder::with_capacity(rows);
    for row in 0..rows {
        if put(row, built.buffer()) {
            built.commit();
        } else {
            built.append_null();
        }
    }
    Ok(Arc::new(built.finish()?))
}
