//! Where the rows of an output go: into an exchange, into what the engine keeps, into files, or
//! nowhere.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::{Schema, SchemaRef};
use nestflow_batch::block::{self, BlockHeader};
use nestflow_batch::cell::Cell;
use nestflow_batch::columns::{cell_at, hash_columns};
use nestflow_batch::repr::repr;
use nestflow_batch::scatter::ChannelBuffers;
use nestflow_chain::{CallSite, ChainSpec, OpenChain};

use crate::blocks::{BlockWriter, Place};
use crate::error::{Error, Result};
use crate::executor::columns::{self, cells, column, positions, schema, select};
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
                ExchangeKind::Forward => 1,
                _ => info.channels,
            };
            let base = if info.kind == ExchangeKind::Forward { task.ordinal } else { 0 };
            let route = Route::of(&info.kind, task.ordinal);
            let mut scatter =
                Scatter::new(schema(&info.cols), channels, base, route, task.ordinal, writer, env)?;
            scatter.site = task.stage.nodes[task.stage.outputs[number].node].site.clone();
            Ok(Box::new(scatter))
        }
        OutputTo::Sink(Sink::Keep(cache)) => {
            let writer = env.blocks.writer(Place::Kept(*cache), 0, task.ordinal)?;
            let depth = task.stage.outputs[number].node;
            let kept = leaves::kept_cols(task.stage.nodes[depth].depth);
            Ok(Box::new(Scatter::new(schema(&kept), 1, task.ordinal, Route::One, task.ordinal, writer, env)?))
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

struct Drain;

impl RowSink for Drain {
    fn write(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        Ok(0)
    }
}

/// Which channel a row goes to.
enum Route {
    One,
    Hash(Vec<Col>),
    Direct(Col),
    /// By `Rank`.
    Sorted,
    /// The next row's channel.
    RoundRobin(u32),
}

impl Route {
    fn of(kind: &ExchangeKind, task: u32) -> Route {
        match kind {
            ExchangeKind::Hash(by) => Route::Hash(by.clone()),
            ExchangeKind::Direct { by, .. } => Route::Direct(*by),
            ExchangeKind::Sorted { .. } => Route::Sorted,
            ExchangeKind::RoundRobin { parts } => Route::RoundRobin(task % parts.max(&1)),
            _ => Route::One,
        }
    }
}

/// Deals rows to channels and sends blocks when a channel has enough for one.
struct Scatter {
    buffers: ChannelBuffers,
    schema: SchemaRef,
    channels: u32,
    /// The number of the first channel.
    base: u32,
    route: Route,
    producer: u32,
    sequence: Vec<u32>,
    writer: Box<dyn BlockWriter>,
    block_bytes: usize,
    compress: bool,
    hashes: Vec<u64>,
    channel_of: Vec<u32>,
    /// The user's line that a wrong channel is blamed on.
    site: Option<CallSite>,
}

impl Scatter {
    fn new(
        schema: SchemaRef,
        channels: u32,
        base: u32,
        route: Route,
        producer: u32,
        writer: Box<dyn BlockWriter>,
        env: &TaskEnv,
    ) -> Result<Scatter> {
        Ok(Scatter {
            buffers: ChannelBuffers::new(schema.clone(), channels as usize).map_err(unfit)?,
            schema,
            channels,
            base,
            route,
            producer,
            sequence: vec![0; channels as usize],
            writer,
            block_bytes: env.block_bytes,
            compress: env.compress,
            hashes: Vec::new(),
            channel_of: Vec::new(),
            site: None,
        })
    }

    fn send(&mut self, channel: usize) -> Result<()> {
        if self.buffers.rows(channel) == 0 {
            return Ok(());
        }
        let batch = self.buffers.take(channel).map_err(unfit)?;
        let number = self.base + channel as u32;
        let header = BlockHeader {
            channel: number,
            producer: self.producer,
            sequence: self.sequence[channel],
            rows: 0,
        };
        self.sequence[channel] += 1;
        let mut bytes = Vec::new();
        block::encode(&header, &batch, self.compress, &mut bytes).map_err(unfit)?;
        self.writer.write(number, bytes)
    }

    fn route(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        self.channel_of.clear();
        match &mut self.route {
            Route::One => self.channel_of.resize(rows, 0),
            Route::Hash(by) => {
                let by = by.iter().map(|col| cells(batch, *col)).collect::<Result<Vec<_>>>()?;
                self.hashes.clear();
                self.hashes.resize(rows, 0);
                hash_columns(&by, &mut self.hashes);
                let channels = u64::from(self.channels);
                // The high bits choose the channel: hash tables of consumers use the low ones.
                self.channel_of
                    .extend(self.hashes.iter().map(|hash| (((hash >> 32) * channels) >> 32) as u32));
            }
            Route::Direct(by) => {
                let numbers = cells(batch, *by)?;
                for row in 0..rows {
                    let given = cell_at(numbers, row);
                    let number = match given.map(Cell::read) {
                        Some(Ok(Cell::Int(number))) => u32::try_from(number).ok(),
                        _ => None,
                    };
                    let Some(number) = number.filter(|&number| number < self.channels) else {
                        let given = given.map_or("nothing".to_owned(), repr);
                        let record = cell_at(cells(batch, Col::Value)?, row).map(repr).unwrap_or_default();
                        let text = format!(
                            "the partition function returned {given} for the record {record}, and the {} \
                             parts of the output are numbered from 0",
                            self.channels
                        );
                        return Err(Error::Data(text).at(self.site.as_ref()));
                    };
                    self.channel_of.push(number);
                }
            }
            Route::Sorted => {
                let ranks = positions(column(batch, Col::Rank)?)?.values();
                let last = u64::from(self.channels).saturating_sub(1);
                self.channel_of.extend(ranks.iter().map(|&rank| rank.min(last) as u32));
            }
            Route::RoundRobin(next) => {
                for _ in 0..rows {
                    self.channel_of.push(*next);
                    *next = (*next + 1) % self.channels.max(1);
                }
            }
        }
        Ok(())
    }
}

fn unfit(error: block::BlockError) -> Error {
    Error::Data(error.to_string())
}

impl RowSink for Scatter {
    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.route(&batch)?;
        let batch = select(&batch, &self.schema)?;
        self.buffers.append(&batch, &self.channel_of).map_err(unfit)?;
        for channel in 0..self.channels as usize {
            if self.buffers.bytes(channel) >= self.block_bytes {
                self.send(channel)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        (0..self.channels as usize).try_for_each(|channel| self.send(channel))?;
        self.writer.finish()
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
