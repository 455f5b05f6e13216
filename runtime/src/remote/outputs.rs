//! What a task puts out: blocks with the number of their channel, handed over one at a time. A task
//! that is ahead of who takes them waits.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam::channel::Sender;

use super::frames::{self, Form};
use super::inputs::Inputs;
use crate::blocks::{BlockStream, BlockWriter, Blocks, Place};
use crate::error::{Error, Result};
use crate::internal;
use crate::plan::flat::Sink;
use crate::plan::stage::{OutputTo, Stage};

/// What a task says.
pub enum Event {
    /// A block for a channel.
    Block(u32, Vec<u8>),
    /// It has ended.
    End(Result<()>),
}

/// The blocks of a task: given ones to read, and a way out.
pub struct TaskBlocks {
    /// What it reads.
    pub inputs: Arc<Inputs>,
    /// Where it puts out what it makes.
    pub events: Sender<Event>,
    /// Its stage.
    pub stage: Arc<Stage>,
    /// The first channel of each output.
    pub first: Vec<u32>,
    /// The kept datasets that are Spark's own.
    pub forms: HashMap<u64, Form>,
}

impl Blocks for TaskBlocks {
    fn read(&self, place: Place, channel: u32) -> Result<BlockStream> {
        Ok(self.inputs.read(place, channel))
    }

    fn bytes(&self, place: Place, channel: u32) -> u64 {
        self.inputs.bytes(place, channel)
    }

    fn writer(&self, place: Place, producer: u32, _task: u32) -> Result<Box<dyn BlockWriter>> {
        let is_it = |to: &OutputTo| match (to, place) {
            (OutputTo::Exchange { exchange, producer: of }, Place::Exchange(wanted)) => {
                *exchange == wanted && *of == producer
            }
            (OutputTo::Sink(Sink::Keep(cache)), Place::Kept(wanted)) => *cache == wanted,
            _ => false,
        };
        let number = self.stage.outputs.iter().position(|output| is_it(&output.to));
        let first = number.and_then(|number| self.first.get(number));
        let first = *first.ok_or_else(|| internal!("stage {} puts nothing into {place:?}", self.stage.id))?;
        let form = match place {
            Place::Kept(cache) => self.forms.get(&cache).cloned(),
            Place::Exchange(_) => None,
        };
        Ok(Box::new(Writer { first, form, events: self.events.clone(), bytes: 0 }))
    }
}

struct Writer {
    first: u32,
    /// Where Spark reads it, and not we.
    form: Option<Form>,
    events: Sender<Event>,
    bytes: u64,
}

impl BlockWriter for Writer {
    fn write(&mut self, channel: u32, block: Vec<u8>) -> Result<()> {
        let blocks = match &self.form {
            Some(form) => frames::bytes(form, block)?,
            None => vec![block],
        };
        for block in blocks {
            self.bytes += block.len() as u64;
            // Nobody listens any more where the task was given up.
            let sent = self.events.send(Event::Block(self.first + channel, block));
            sent.map_err(|_| Error::Interrupted)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        Ok(self.bytes)
    }
}
