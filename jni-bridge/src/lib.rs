//! The runtime inside the JVM of a Spark executor: the native half of `nestflow.spark.Native`.
//!
//! Ten entry points, in the order of that class; each goes through `guard`, which lets no panic
//! out and turns errors into Java exceptions, and names a task by a checked number (`tasks`). What
//! the tasks of a process share is made by its first task (`shared`). The only crate that names
//! `jni`; knows neither Python nor single operators.
//!
//! Blocks cross as byte arrays: one copy each way, one call per block. Nothing of an `Env` is kept
//! between calls. The way back, from any thread, is `upcall`; what workers print goes to the `log`.

mod allocated;
mod files;
mod guard;
mod lender;
mod log;
mod shared;
mod tasks;
mod upcall;

use std::time::Duration;

use jni::EnvUnowned;
use jni::objects::{JByteArray, JClass, JLongArray, JObject, JString};
use jni::sys::{jboolean, jint, jlong};
use nestflow_runtime::error::Error;
use nestflow_runtime::remote::{BUILD_ID, Step};

use guard::guard;
use lender::SparkMemory;
use upcall::Peer;

/// The longest that a step may take.
const LONGEST: Duration = Duration::from_millis(100);

/// What kind a step is; `Native.java` has the same numbers.
const NOTHING: jint = 0;
const DONE: jint = 1;
const NEED: jint = 2;
const BLOCK: jint = 3;

/// What was built.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_buildId<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
) -> JString<'l> {
    guard(env, |env| Ok(env.new_string(BUILD_ID)?))
}

/// Makes a task of a stage, and gives its number.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_create<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    stage: JByteArray<'l>,
    task: JByteArray<'l>,
    folder: JString<'l>,
    slots: jint,
    memory: jlong,
    files: JObject<'l>,
    lender: JObject<'l>,
) -> jlong {
    guard(env, |env| {
        let folder = folder.try_to_string(env)?;
        let process = shared::process(folder.clone(), slots.max(1) as usize, memory.max(0) as usize)?;
        let part = process.stage(&env.convert_byte_array(&stage)?)?;
        let whose = (log::task(env)?, log::output(env)?);
        let host = shared::host(&part.host.located(&folder), slots.max(1) as usize, whose)?;
        let task = env.convert_byte_array(&task)?;
        let lender = match lender.is_null() {
            true => None,
            false => Some(SparkMemory(Peer::new(env, &lender)?)),
        };
        Ok(tasks::create(process, lender, &part, &task, files::files(env, &files)?, host)? as jlong)
    })
}

/// The next step of a task: its kind, and in `answer` an input, or a channel and a length.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_step<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
    answer: JLongArray<'l>,
) -> jint {
    guard(env, |env| {
        let Some(task) = tasks::find(task as u64)? else { return Ok(DONE) };
        // An array that cannot take the answer is refused before there is one.
        answer.set_region(env, 0, &[0, 0])?;
        let step = task.driver(|driver| driver.step(LONGEST))?;
        Ok(match step.unwrap_or(Step::Done) {
            Step::Nothing => NOTHING,
            Step::Done => DONE,
            Step::Need(input) => {
                answer.set_region(env, 0, &[i64::from(input), 0])?;
                NEED
            }
            Step::Block(channel, length) => {
                if length > jint::MAX as usize {
                    let message = format!("a block of {length} bytes is too large for Spark (limit 2 GiB)");
                    return Err(Error::Data(message).into());
                }
                answer.set_region(env, 0, &[i64::from(channel), length as i64])?;
                BLOCK
            }
        })
    })
}

/// Copies the block that the last step told of.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_take<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
    into: JByteArray<'l>,
) {
    guard(env, |env| {
        let Some(task) = tasks::find(task as u64)? else { return Ok(()) };
        let Some(block) = task.driver(|driver| driver.take())? else { return Ok(()) };
        let block: Vec<jni::sys::jbyte> = block.into_iter().map(u8::cast_signed).collect();
        Ok(into.set_region(env, 0, &block)?)
    })
}

/// Gives a block of an input, or says by null that there are no more.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_push<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
    input: jint,
    block: JByteArray<'l>,
) {
    guard(env, |env| {
        let Some(task) = tasks::find(task as u64)? else { return Ok(()) };
        let input = input as u32;
        if block.is_null() {
            task.driver(|driver| driver.end(input))?;
            return Ok(());
        }
        let block = env.convert_byte_array(&block)?;
        // May wait for memory of Spark's: nothing is locked by then.
        match task.driver(|driver| driver.input(input))? {
            Some(input) => Ok(input.push(block)?),
            None => Ok(()),
        }
    })
}

/// Asks a task to stop; does not wait.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_cancel<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
) {
    guard(env, |_| {
        if let Some(task) = tasks::find(task as u64)? {
            task.cancel();
        }
        Ok(())
    });
}

/// Ends a task: waits until no call is inside, cancels it, and gives back what it holds. Closing
/// again is harmless.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_close<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
) -> jboolean {
    guard(env, |_| tasks::close(task as u64))
}

/// What a task has done: rows in, rows out, bytes out, bytes spilled, nanoseconds in user functions.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_progress<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
    into: JLongArray<'l>,
) {
    guard(env, |env| {
        let Some(task) = tasks::find(task as u64)? else { return Ok(()) };
        Ok(into.set_region(env, 0, &task.progress())?)
    })
}

/// Gives up what a task has borrowed and not used; how much that is. Does not wait.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_press<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    task: jlong,
) -> jlong {
    guard(env, |_| Ok(tasks::find(task as u64)?.map_or(0, |task| task.press()) as jlong))
}

/// What the process holds: tasks, bytes that they have taken, and bytes that native code has allocated.
#[expect(unsafe_code, reason = "the JVM finds it by its name")]
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub extern "system" fn Java_nestflow_spark_Native_held<'l>(
    env: EnvUnowned<'l>,
    _: JClass<'l>,
    into: JLongArray<'l>,
) {
    guard(env, |env| {
        let held = [tasks::open() as i64, shared::taken() as i64, allocated::allocated()];
        Ok(into.set_region(env, 0, &held)?)
    })
}
