//! The one way into native code: no panic leaves it, and an error becomes a `NativeError` with all
//! that is known as JSON.

use std::any::Any;

use jni::errors::ErrorPolicy;
use jni::strings::JNIString;
use jni::{Env, EnvUnowned, jni_str};
use nestflow_runtime::error::Error;
use nestflow_runtime::remote::failure;

/// Why a call failed.
pub enum Fault {
    /// The runtime says so.
    Ours(Error),
    /// The JVM does, perhaps with an exception that is pending.
    Java(jni::errors::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Ours(error)
    }
}

impl From<jni::errors::Error> for Fault {
    fn from(error: jni::errors::Error) -> Fault {
        Fault::Java(error)
    }
}

/// Runs the body of an entry point.
pub fn guard<'l, T: Default>(
    mut env: EnvUnowned<'l>,
    body: impl FnOnce(&mut Env<'l>) -> Result<T, Fault>,
) -> T {
    env.with_env(body).resolve::<Throw>()
}

struct Throw;

impl<T: Default> ErrorPolicy<T, Fault> for Throw {
    type Captures<'unowned: 'method, 'method> = ();

    fn on_error<'unowned: 'method, 'method>(
        env: &mut Env<'unowned>,
        (): &mut Self::Captures<'unowned, 'method>,
        fault: Fault,
    ) -> jni::errors::Result<T> {
        throw(
            env,
            &match fault {
                Fault::Ours(error) => error,
                Fault::Java(error) => Error::Internal(format!("a call of the JVM failed: {error}")),
            },
        );
        Ok(T::default())
    }

    fn on_panic<'unowned: 'method, 'method>(
        env: &mut Env<'unowned>,
        (): &mut Self::Captures<'unowned, 'method>,
        panic: Box<dyn Any + Send + 'static>,
    ) -> jni::errors::Result<T> {
        throw(env, &Error::panicked("a panic", panic.as_ref()));
        Ok(T::default())
    }
}

fn throw(env: &mut Env<'_>, error: &Error) {
    // An exception that is already on its way says more.
    if env.exception_check() {
        return;
    }
    // Its result only says that there is an exception now.
    let _ = env.throw_new(jni_str!("nestflow/spark/NativeError"), JNIString::from(failure(error)));
}
