//! Every way in which the engine fails, by who has to act.

use std::any::Any;

use nestflow_chain::{CallSite, HostError, UserError};

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the path of an error begins that is about a file of the engine's own.
pub const TEMPORARY: &str = "temporary file";

/// Why a run failed, by who has to act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program asks for something that has no meaning.
    #[error("{0}")]
    Plan(String),
    /// A user function raised.
    #[error("{}", .0.message)]
    User(Box<UserError>),
    /// The data does not fit what was asked of it.
    #[error("{0}")]
    Data(String),
    /// A file or directory could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The path in hand.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The memory limit does not suffice.
    #[error("{0}")]
    Memory(String),
    /// A process that ran user functions died.
    #[error("{0}")]
    Died(String),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Our own fault.
    #[error("internal error: {0}")]
    Internal(String),
    /// What is known of where it happened.
    #[error("{error}")]
    At {
        /// The transform and its call site.
        step: String,
        /// What happened.
        error: Box<Error>,
    },
}

impl Error {
    /// The error of a step; what already says where it happened, or needs no place, stays as it is.
    pub fn at(self, site: Option<&CallSite>) -> Error {
        match (self, site) {
            (error @ (Error::Data(_) | Error::Io { .. } | Error::Memory(_)), Some(site)) => {
                Error::At { step: step(site), error: Box::new(error) }
            }
            (Error::User(mut user), Some(site)) if user.step.is_empty() => {
                user.step = step(site);
                Error::User(user)
            }
            (error, _) => error,
        }
    }

    /// The same error, which names the folder that temporary files are in where it is about one.
    pub fn in_folder(self, folder: &std::path::Path) -> Error {
        match self {
            Error::Io { path, source } if path.starts_with(TEMPORARY) => {
                Error::Io { path: format!("{path} in {}", folder.display()), source }
            }
            Error::At { step, error } => Error::At { step, error: Box::new(error.in_folder(folder)) },
            other => other,
        }
    }

    /// The same error once more, for each of several who wait for one thing.
    fn copied(&self) -> Error {
        match self {
            Error::Plan(text) => Error::Plan(text.clone()),
            Error::User(user) => Error::User(user.clone()),
            Error::Data(text) => Error::Data(text.clone()),
            Error::Io { path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Error::Io { path: path.clone(), source }
            }
            Error::Memory(text) => Error::Memory(text.clone()),
            Error::Died(text) => Error::Died(text.clone()),
            Error::Interrupted => Error::Interrupted,
            Error::Internal(text) => Error::Internal(text.clone()),
            Error::At { step, error } => Error::At { step: step.clone(), error: Box::new(error.copied()) },
        }
    }

    /// The kind of error, by the name that other languages know it under.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Plan(_) => "plan",
            Error::User(_) => "user",
            Error::Data(_) => "data",
            Error::Io { .. } => "io",
            Error::Memory(_) => "memory",
            Error::Died(_) => "died",
            Error::Interrupted => "interrupted",
            Error::Internal(_) => "internal",
            Error::At { error, .. } => error.kind(),
        }
    }

    /// Where it happened, as far as that is known.
    pub fn step(&self) -> &str {
        match self {
            Error::User(user) => &user.step,
            Error::At { step, .. } => step,
            _ => "",
        }
    }
}

/// A call site as errors show it: `sort at jobs/visits.py:12 in main`.
pub fn step(site: &CallSite) -> String {
    let CallSite { file, line, function, transform } = site;
    format!("{transform} at {file}:{line} in {function}")
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::User(user) => Error::User(user),
            HostError::Data(text) => Error::Data(text),
            HostError::Died(text) => Error::Died(text),
            HostError::Internal(text) => Error::Internal(text),
        }
    }
}

impl Error {
    /// The error that a panic is, with the text that it came with.
    pub fn panicked(what: &str, panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::Internal(format!("{what}: {}", text.unwrap_or_else(|| "without a text".into())))
    }
}

/// An error of ours travels through DataFusion's streams as an external error and comes out whole.
impl From<Error> for datafusion_common::DataFusionError {
    fn from(error: Error) -> Self {
        datafusion_common::DataFusionError::External(Box::new(error))
    }
}

fn exhausted(text: &str) -> Error {
    Error::Memory(format!("the memory limit is too small for this step. Raise memory_limit. ({text})"))
}

/// An error of ours that is the cause of another.
fn ours<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    error.downcast_ref::<Error>().or_else(|| ours(error.source()?))
}

impl From<datafusion_common::DataFusionError> for Error {
    fn from(error: datafusion_common::DataFusionError) -> Self {
        use datafusion_common::DataFusionError as D;
        match error {
            D::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => Error::Internal(other.to_string()),
            },
            D::Context(_, inner) => (*inner).into(),
            D::ArrowError(inner, _) => (*inner).into(),
            D::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => inner.into(),
                // Several tasks waited for it; each gets the error.
                Err(shared) => match (ours(shared.as_ref()), shared.find_root()) {
                    (Some(error), _) => error.copied(),
                    (None, D::ResourcesExhausted(text)) => exhausted(text),
                    (None, other) => Error::Internal(other.to_string()),
                },
            },
            D::ResourcesExhausted(text) => exhausted(&text),
            D::IoError(source) => Error::Io { path: TEMPORARY.into(), source },
            other => Error::Internal(other.to_string()),
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => match inner.downcast::<datafusion_common::DataFusionError>() {
                    Ok(inner) => (*inner).into(),
                    Err(other) => Error::Internal(other.to_string()),
                },
            },
            arrow::error::ArrowError::IoError(_, source) => Error::Io { path: TEMPORARY.into(), source },
            other => Error::Internal(other.to_string()),
        }
    }
}

/// An `Error::Internal` with a formatted text: for cases that a checked plan rules out.
#[macro_export]
macro_rules! internal {
    ($($text:tt)*) => { $crate::error::Error::Internal(format!($($text)*)) };
}
