//! What worker processes print, in the log of the JVM that they work for: a line each, with the task that it is
//! of. Where that log leaves out what is said there (level INFO of `nestflow.worker`), on standard error.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use jni::objects::{JObject, JValue};
use jni::{Env, jni_sig, jni_str};
use nestflow_workers::{Output, Printed};

use crate::upcall::Peer;

/// The name of the logger.
const NAME: &str = "nestflow.worker";

/// The log of this JVM, as the classes of the calling thread know it; asked for once.
pub fn output(env: &mut Env<'_>) -> jni::errors::Result<Output> {
    static LOG: Mutex<Option<Output>> = Mutex::new(None);
    if let Some(log) = LOG.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        return Ok(log.clone());
    }
    let name = env.new_string(NAME)?;
    let signature = jni_sig!("(Ljava/lang/String;)Lorg/slf4j/Logger;");
    let factory = jni_str!("org/slf4j/LoggerFactory");
    let found =
        env.call_static_method(factory, jni_str!("getLogger"), signature, &[JValue::Object(&name)])?;
    let logger = Peer::new(env, &found.l()?)?;
    let log: Output = Arc::new(move |printed| say(&logger, printed));
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(log.clone());
    Ok(log)
}

fn say(logger: &Peer, printed: &Printed<'_>) {
    let line = format!("{}, worker {}: {}", printed.task, printed.process, printed.line);
    let said = logger.call(|env, logger| {
        if !env.call_method(logger, jni_str!("isInfoEnabled"), jni_sig!("()Z"), &[])?.z()? {
            return Ok(false);
        }
        let text = env.new_string(&line)?;
        let signature = jni_sig!("(Ljava/lang/String;)V");
        env.call_method(logger, jni_str!("info"), signature, &[JValue::Object(&text)])?.v()?;
        Ok(true)
    });
    if !matches!(said, Ok(true)) {
        // Nobody to tell if that fails.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// The Spark task of the calling thread, in Spark's own words; nothing where it has none.
pub fn task(env: &mut Env<'_>) -> jni::errors::Result<String> {
    let signature = jni_sig!("()Lorg/apache/spark/TaskContext;");
    let context =
        env.call_static_method(jni_str!("org/apache/spark/TaskContext"), jni_str!("get"), signature, &[]);
    let context = context?.l()?;
    if context.is_null() {
        return Ok("no task".to_owned());
    }
    let mut number = |of: &JObject<'_>, name| env.call_method(of, name, jni_sig!("()I"), &[])?.i();
    let part = number(&context, jni_str!("partitionId"))?;
    let attempt = number(&context, jni_str!("attemptNumber"))?;
    let stage = number(&context, jni_str!("stageId"))?;
    let stage_attempt = number(&context, jni_str!("stageAttemptNumber"))?;
    let id = env.call_method(&context, jni_str!("taskAttemptId"), jni_sig!("()J"), &[])?.j()?;
    Ok(format!("task {part}.{attempt} in stage {stage}.{stage_attempt} (TID {id})"))
}
