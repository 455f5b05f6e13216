//! What the client knows before a job is planned: who will run it, and what there is to read. Here it is
//! measured, and the user's wishes go before what is measured.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::frames::Form;
use super::job::HostSpec;
use crate::error::Result;
use crate::io::Storage;
use crate::local::sources::{self, Splits};
use crate::plan::logical::LogicalPlan;
use crate::planner::{self, Held};

/// What the client knows of those who will run a job.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Tasks that run at a time, all together.
    pub cores: u32,
    /// The number of channels of an exchange, whatever the input, where a transform says nothing of it.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Where user functions run.
    #[serde(default)]
    pub host: HostSpec,
    /// Whether blocks are compressed here, since nobody does who moves them.
    #[serde(default)]
    pub compress: bool,
    /// What earlier jobs have kept, by name.
    pub kept: HashMap<u64, Held>,
    /// A directory that all of them see, for copies of what only the client sees. `None`: they see all of it.
    pub temporary: Option<String>,
    /// Those that are Spark's own, kept or to be made.
    #[serde(default)]
    pub forms: HashMap<u64, Form>,
}

/// What a run reads, and how it is planned.
pub(super) fn measured(
    logical: &LogicalPlan,
    settings: &Settings,
    storage: &Arc<dyn Storage>,
) -> Result<(Splits, planner::Settings)> {
    let cores = settings.cores as usize;
    let (splits, planned) = sources::measure(logical, storage.as_ref(), cores, settings.kept.clone())?;
    let channels = settings.concurrency.unwrap_or(planned.channels);
    Ok((splits, planner::Settings { channels, concurrency: true, ..planned }))
}

/// How a job would be planned, without a job: for people.
pub fn planning(
    logical: &LogicalPlan,
    settings: &Settings,
    storage: &Arc<dyn Storage>,
) -> Result<planner::Settings> {
    Ok(measured(&planner::prune(logical)?, settings, storage)?.1)
}
