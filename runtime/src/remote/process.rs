//! What the tasks of one process share: memory, a folder for what does not fit, decoded stages.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion_execution::TaskContext;

use super::job::StagePart;
use crate::error::Result;
use crate::local::{MakeContext, contexts, scratch::Scratch};
use crate::memory::{FixedPool, Pool, TaskPool};

/// Stages that are kept decoded.
const REMEMBERED: usize = 16;

/// How a process is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Where temporary files go.
    pub folder: PathBuf,
    /// Tasks that run at a time.
    pub slots: usize,
    /// Bytes that they may take together.
    pub memory: usize,
}

/// What the tasks of a process share.
pub struct Process {
    settings: ProcessSettings,
    pool: Arc<dyn Pool>,
    contexts: Box<MakeContext>,
    stages: Mutex<VecDeque<(Vec<u8>, Arc<StagePart>)>>,
    scratch: Arc<Scratch>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Process {
    /// Sets a process up.
    pub fn new(settings: ProcessSettings) -> Result<Process> {
        let scratch = Arc::new(Scratch::new(&settings.folder)?);
        Ok(Process {
            pool: Arc::new(FixedPool::new(settings.memory)),
            contexts: contexts(&scratch)?,
            stages: Mutex::default(),
            settings,
            scratch,
        })
    }

    /// The share of one task.
    pub fn task_pool(&self) -> Arc<dyn Pool> {
        let share = self.settings.memory / self.settings.slots.max(1);
        Arc::new(TaskPool::new(self.pool.clone(), share))
    }

    /// DataFusion's context over a task's pool.
    pub fn context(&self, pool: Arc<dyn Pool>) -> Result<Arc<TaskContext>> {
        (self.contexts)(pool)
    }

    /// Where a task's blocks go that do not fit into memory.
    pub fn folder(&self) -> Result<PathBuf> {
        self.scratch.folder("inputs")
    }

    /// Bytes that tasks have taken.
    pub fn taken(&self) -> usize {
        self.pool.taken()
    }

    /// A stage, decoded once for all of its tasks.
    pub fn stage(&self, bytes: &[u8]) -> Result<Arc<StagePart>> {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stage)) = stages.iter().find(|(known, _)| known == bytes) {
            return Ok(stage.clone());
        }
        let stage = Arc::new(StagePart::decode(bytes)?);
        stages.push_back((bytes.to_vec(), stage.clone()));
        if stages.len() > REMEMBERED {
            stages.pop_front();
        }
        Ok(stage)
    }
}
