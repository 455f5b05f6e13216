//! Where the rows of an output go: into an exchange, into what the engine keeps, into files, or
//! nowhere.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::{Schema, SchemaRef};
use nestflow_batch::columns::cell_at;
use nestflow_chain::{ChainSpec, OpenChain};

use super::exchange_write::{Channels, ExchangeWrite};
use super::route::Route;
use crate::blocks::{BlockWriter, Place};
use crate::error::{Error, Result};
use crate::executor::columns::{self, cells, schema};
use crate::executor::{Task, TaskEnv, leaves};
use crate::internal;
use crate::io::PartWriter;
use crate::plan::flat::{Col, ExchangeKind, Sink};
use crate::plan::stage::OutputTo;

/// Takes the rows of one output.
pub trait RowSink {
    /// Takes a batch.
    fn write(&mut self, batch: RecordBatch) -> Result<()>;
    /// Makes everything final for this task; returns bytes.
    fn finish(self: Box<Self>) -> Result<u64>;
}

/// The sink of an output of a task.
pub fn open(
    task: &Task,
    env: &TaskEnv,
    number: usize,
    to: &OutputTo,
    rows: SchemaRef,
) -> Result<Box<dyn RowSink>> {
    match to {
        OutputTo::Exchange { exchange, producer } => {
            let info = task.exchanges.get(*exchange as usize);
            let info = info.ok_or_else(|| internal!("no exchange {exchange}"))?;
            let writer = env.blocks.writer(Place::Exchange(*exchange), *producer, task.ordinal)?;
            let channels = match info.kind {
                ExchangeKind::Forward => Channels { first: task.ordinal, count: 1 },
                _ => Channels { first: 0, count: info.channels },
            };
            let site = task.stage.nodes[task.stage.outputs[number].node].site.clone();
            let route = Route::of(&info.kind, channels.count, task.ordinal, site);
            collected(task, env, schema(&info.cols), channels, route, writer)
        }
        OutputTo::Sink(Sink::Keep(cache)) => {
            let writer = env.blocks.writer(Place::Kept(*cache), 0, task.ordinal)?;
            let depth = task.stage.outputs[number].node;
            let kept = schema(&leaves::kept_cols(task.stage.nodes[depth].depth));
            let channels = Channels { first: task.ordinal, count: 1 };
            collected(task, env, kept, channels, Route::one(), writer)
        }
        OutputTo::Sink(Sink::Files { encode, .. }) => {
            let output = (env.outputs)(task.stage.id, number).ok_or_else(|| internal!("no output files"))?;
            // Without its folder, the output is there already, or given up: this task is done again for what
            // else the stage puts out. A run that goes on misses its report.
            let writer = match output.part_writer(env.files.clone(), task.ordinal) {
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
                writer => Some(writer?),
            };
            Ok(Box::new(FileParts {
                stage: task.stage.id,
                number,
                writer,
                encode: encode.clone(),
                env: env.clone(),
                open: None,
            }))
        }
        OutputTo::Sink(Sink::Drain) => {
            drop(rows);
            Ok(Box::new(Drain))
        }
    }
}

/// Rows that go out as blocks.
fn collected(
    task: &Task,
    env: &TaskEnv,
    cols: SchemaRef,
    channels: Channels,
    route: Route,
    writer: Box<dyn BlockWriter>,
) -> Result<Box<dyn RowSink>> {
    let of = (task.ordinal, task.stage.outputs.len());
    let write = ExchangeWrite::new(cols, channels, route, writer, of, env.pool.clone(), env.compress)?;
    Ok(Box::new(write))
}

struct Drain;

impl RowSink for Drain {
    fn write(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        Ok(0)
    }
}

/// One part of an output of files.
struct FileParts {
    stage: u32,
    /// Of the output in the stage.
    number: usize,
    writer: Option<PartWriter>,
    encode: ChainSpec,
    env: TaskEnv,
    /// Opened when the first record needs it.
    open: Option<Box<dyn OpenChain>>,
}

impl RowSink for FileParts {
    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let values = columns::column(&batch, Col::Value)?;
        let batch =
            if values.null_count() > 0 { filter_record_batch(&batch, &is_not_null(values)?)? } else { batch };
        let values = cells(&batch, Col::Value)?;
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        if (0..values.len()).all(|row| cell_at(values, row).is_some_and(|cell| writer.takes(cell))) {
            return writer.write(values);
        }
        if self.open.is_none() {
            self.open = Some(self.env.host.open(&self.encode, vec![])?);
        }
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        let records = columns::batch(
            &Arc::new(Schema::new(vec![nestflow_batch::columns::cell_field("v")])),
            vec![columns::column(&batch, Col::Value)?.clone()],
            batch.num_rows(),
        )?;
        open.push(records)?;
        let encoded = open.pull()?;
        let encoded = encoded.column_by_name("v").and_then(|column| column.as_binary_view_opt());
        writer.write(encoded.ok_or_else(|| internal!("an encoding function gave no column"))?)
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        if let Some(open) = self.open.as_mut() {
            open.finish()?;
        }
        match self.writer.take() {
            Some(writer) => {
                let written = writer.finish()?;
                let bytes = written.bytes;
                (self.env.written)(self.stage, self.number, written)?;
                Ok(bytes)
            }
            None => Ok(0),
        }
    }
}
