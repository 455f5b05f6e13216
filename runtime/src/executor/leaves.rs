//! Where the rows of a task come from: pieces of files, literal blocks, exchanges and kept datasets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion_common::Result as DfResult;
use datafusion_physical_plan::ExecutionPlan;
use futures::{StreamExt, stream};
use nestflow_batch::block;

use super::columns::{schema, select};
use super::stream::StreamExec;
use super::{LeafShare, Task, TaskEnv};
use crate::blocks::Place;
use crate::error::{Error, Result};
use crate::internal;
use crate::io::open_source;
use crate::plan::flat::{FlatId, FlatNode, FlatOp};
use crate::plan::literal::Literal;

/// How many batches of a leaf the memory of a task should at least hold.
const BATCHES_HELD: usize = 32;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The plan node of a leaf: the task's share of it, or no rows.
pub fn leaf(task: &Task, env: &TaskEnv, id: FlatId, node: &FlatNode) -> Result<Arc<dyn ExecutionPlan>> {
    let share = task.leaves.iter().find(|(leaf, _)| *leaf == id).map(|(_, share)| share.clone());
    let out = schema(&node.cols);
    let (name, batches): (_, Batches) = match (&node.op, share) {
        (_, None) => ("Empty", Box::new(std::iter::empty())),
        (FlatOp::Files(source), Some(LeafShare::Split(split))) => {
            ("Files", open_source(env.files.clone(), source, split)?)
        }
        (FlatOp::Literal(blocks), Some(LeafShare::Literal(range))) => {
            let blocks: Vec<_> = blocks.get(range).map(<[_]>::to_vec).unwrap_or_default();
            let schema = out.clone();
            let decode = move |block: Literal| decode(&block.0, &schema, "a literal");
            ("Literal", Box::new(blocks.into_iter().map(decode)))
        }
        (FlatOp::Held { cache }, Some(LeafShare::Channel(channel))) => {
            // What is kept has all columns of its depth; the plan may read fewer.
            let stored = schema(&kept_cols(node.depth));
            ("Held", blocks(env, Place::Kept(*cache), channel, stored)?)
        }
        (FlatOp::Read { exchange }, Some(LeafShare::Channel(channel))) => {
            let info = task.exchanges.get(*exchange as usize);
            let info = info.ok_or_else(|| internal!("no exchange {exchange}"))?;
            ("Read", blocks(env, Place::Exchange(*exchange), channel, schema(&info.cols))?)
        }
        (op, Some(share)) => return Err(internal!("{op} cannot read {share:?}")),
    };
    let env = env.clone();
    Ok(StreamExec::plan(name, out.clone(), move |_| {
        let most = (env.pool.limit() / BATCHES_HELD).clamp(64 << 10, 1 << 20);
        let rows = batches.flat_map(move |batch| {
            let pieces = env.check_cancelled().and_then(|()| {
                let batch = select(&batch?, &out)?;
                env.progress.rows_in.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                pieces(batch, most)
            });
            let pieces: Vec<DfResult<RecordBatch>> = match pieces {
                Ok(pieces) => pieces.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error.into())],
            };
            pieces
        });
        Ok(stream::iter(rows).boxed())
    }))
}

/// A batch in pieces of at most so many bytes, each with buffers of its own: operators that hold
/// a few rows of a large block would otherwise hold, and account for, all of it.
fn pieces(batch: RecordBatch, most: usize) -> Result<Vec<RecordBatch>> {
    let bytes = batch.get_array_memory_size();
    if bytes <= most || batch.num_rows() < 2 {
        return Ok(vec![batch]);
    }
    let rows = (batch.num_rows() * most / bytes).max(1);
    let starts = (0..batch.num_rows()).step_by(rows);
    starts
        .map(|start| {
            let piece = batch.slice(start, rows.min(batch.num_rows() - start));
            let own = piece.columns().iter().map(|column| match column.as_binary_view_opt() {
                Some(cells) => Arc::new(cells.gc()) as ArrayRef,
                None => column.clone(),
            });
            super::columns::batch(batch.schema_ref(), own.collect(), piece.num_rows())
        })
        .collect()
}

/// The columns under which a dataset is kept.
pub fn kept_cols(depth: u32) -> Vec<crate::plan::flat::Col> {
    let mut cols = crate::plan::flat::key_cols(depth);
    cols.push(crate::plan::flat::Col::Value);
    cols
}

/// What the blocks of a kept dataset hold.
pub fn kept_schema(depth: u32) -> SchemaRef {
    schema(&kept_cols(depth))
}

/// A block of a kept dataset.
pub fn kept_batch(bytes: &arrow::buffer::Buffer, depth: u32, origin: &str) -> Result<RecordBatch> {
    decode(bytes, &kept_schema(depth), origin)
}

fn blocks(env: &TaskEnv, place: Place, channel: u32, schema: SchemaRef) -> Result<Batches> {
    let blocks = env.blocks.read(place, channel)?;
    Ok(Box::new(blocks.map(move |block| {
        let (bytes, origin) = block?;
        decode(&bytes, &schema, &origin)
    })))
}

fn decode(bytes: &arrow::buffer::Buffer, schema: &SchemaRef, origin: &str) -> Result<RecordBatch> {
    let decoded = block::decode_buffer(bytes, schema, origin);
    decoded.map(|(_, batch)| batch).map_err(|error| Error::Data(error.to_string()))
}

/// The rows of an open side input, read whole.
pub fn read_whole(plan: Arc<dyn ExecutionPlan>, env: &TaskEnv) -> Result<RecordBatch> {
    let schema = plan.schema();
    let stream = plan.execute(0, env.context.clone())?;
    let batches = futures::executor::block_on(async {
        let mut stream = stream;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
        }
        Ok::<_, datafusion_common::DataFusionError>(batches)
    })?;
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}
