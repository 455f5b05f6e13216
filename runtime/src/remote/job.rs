//! A job as plain data: the description that a scheduler reads, and the bytes that only tasks read.
//!
//! Stages produce blocks for numbered channels. All outputs of a stage share one range of channels,
//! so that one shuffle carries them all; a task of a later stage reads some of them. Must not know
//! how blocks are moved.

use serde::{Deserialize, Serialize};

use super::frames::Form;
use crate::error::Result;
use crate::executor::LeafShare;
use crate::io::{TaskOutput, Written};
use crate::plan::flat::FlatId;
use crate::plan::literal::Literal;
use crate::plan::stage::{Exchange, Stage};
use crate::plan::wire;

/// A job, as it is described in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// The version of this description.
    pub version: u32,
    /// What made it.
    pub build: String,
    /// Whether tasks read or write files that are not of their machines.
    pub remote_files: bool,
    /// Stages, each after those that it reads.
    pub stages: Vec<JobStage>,
    /// What the job is for.
    pub results: Vec<JobResult>,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct JobStage {
    /// Its number: its place in the list.
    pub id: u32,
    /// The user's transforms.
    pub name: String,
    /// The user's line.
    pub site: String,
    /// Where its bytes lie, from and to.
    pub bytes: (u64, u64),
    /// How many channels its outputs have together; 0: nobody but a result reads it.
    pub channels: u32,
    /// What it reads.
    pub inputs: Vec<JobInput>,
    /// Its outputs, for people.
    pub outputs: Vec<JobOutput>,
    /// Its tasks.
    pub tasks: Vec<JobTask>,
}

/// What a stage reads.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobInput {
    /// The channels of an earlier stage.
    Stage(u32),
    /// A dataset that was kept by an earlier job.
    Kept(u64),
}

/// An output of a stage.
#[derive(Clone, Debug, Serialize)]
pub struct JobOutput {
    /// How rows move: `hash`, `gather`, `broadcast`, `forward`, `direct`, `round_robin`, `keep`, `files`,
    /// `drain`.
    pub kind: &'static str,
    /// Its first channel.
    pub first: u32,
    /// How many.
    pub channels: u32,
}

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct JobTask {
    /// Where its bytes lie, from and to.
    pub bytes: (u64, u64),
    /// For each input of the stage, the channels that it reads.
    pub reads: Vec<Vec<u32>>,
    /// The machines that have most of the files that it reads, the best first.
    pub hosts: Vec<String>,
}

/// Something that the job is for.
#[derive(Clone, Debug, Serialize)]
pub struct JobResult {
    /// `keep`: a dataset that stays; `files`: reports of parts, for the client; `run`: nothing but what
    /// the stage does.
    pub kind: &'static str,
    /// The stage that makes it.
    pub stage: u32,
    /// Its channels, from and to; nothing: all that the stage puts out.
    pub channels: Option<(u32, u32)>,
    /// The name of what is kept.
    pub cache: Option<u64>,
}

/// How the processes of user functions are started where tasks run, or which interpreter is embedded there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostSpec {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Seconds that one may be idle.
    pub idle: u64,
    /// Whether it has something to do before it ends: then it is a task's own, and ends with that.
    pub ends: bool,
    /// Whether functions run in the process of the task itself; started, the program tells then of its
    /// interpreter.
    pub embedded: bool,
    /// The kit of resources and hooks for functions in the process of the task.
    pub around: Option<String>,
    /// The oldest glibc that the program runs with, if it came with the job.
    pub glibc: Option<(u32, u32)>,
}

impl HostSpec {
    /// In the texts of a spec: the folder in which an executor finds what came with the job.
    pub const PARCELS: &str = "{parcels}";

    /// The spec with the folder of one executor.
    pub fn located(&self, folder: &str) -> HostSpec {
        let at = |text: &String| text.replace(HostSpec::PARCELS, folder);
        HostSpec {
            program: at(&self.program),
            arguments: self.arguments.iter().map(at).collect(),
            environment: self.environment.iter().map(|(name, value)| (name.clone(), at(value))).collect(),
            ..self.clone()
        }
    }
}

/// Where blocks of an input belong, as the executor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A producer of an exchange.
    Exchange {
        /// The exchange.
        exchange: u32,
        /// Which of its producers.
        producer: u32,
    },
    /// A kept dataset.
    Kept(u64),
}

/// What a task tells the client of a part that it has written: travels as a block that only the
/// client reads. Of several attempts at a task, the scheduler takes the blocks of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The stage.
    pub stage: u32,
    /// Which of its outputs.
    pub output: u32,
    /// The part.
    pub written: Written,
}

/// The bytes of a stage: what all of its tasks have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StagePart {
    /// The stage; its literals have no blocks.
    pub stage: Stage,
    /// The exchanges of the run.
    pub exchanges: Vec<Exchange>,
    /// What it reads.
    pub inputs: Vec<Source>,
    /// The first channel of each output.
    pub first: Vec<u32>,
    /// Where its text outputs are written, by output.
    pub texts: Vec<(u32, TaskOutput)>,
    /// Where user functions run.
    pub host: HostSpec,
    /// Whether blocks are compressed.
    pub compress: bool,
    /// The kept datasets that are Spark's own, read or made.
    pub forms: Vec<(u64, Form)>,
}

/// The bytes of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskPart {
    /// Which task of the stage.
    pub ordinal: u32,
    /// Its share of the leaves.
    pub leaves: Vec<(FlatId, LeafShare)>,
    /// Its blocks of literals.
    pub literals: Vec<(FlatId, Vec<Literal>)>,
}

impl Report {
    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Report> {
        wire::decode_part(bytes)
    }

    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wire::encode_part(self)
    }
}

impl StagePart {
    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<StagePart> {
        wire::decode_part(bytes)
    }

    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wire::encode_part(self)
    }
}

impl TaskPart {
    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<TaskPart> {
        wire::decode_part(bytes)
    }

    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wire::encode_part(self)
    }
}
