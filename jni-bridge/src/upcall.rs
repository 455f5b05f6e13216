//! Calls from native code into the JVM: methods of one Java object, from any thread.
//!
//! A thread of ours is attached at its first call, as a daemon, so that it never keeps the JVM from
//! ending, and detached at its own end; nobody else's thread is ever detached. An exception becomes
//! a `Thrown`: nothing is pending after a call. Who calls holds no lock that others wait for, since
//! a call takes as long as the JVM likes.

use std::cell::RefCell;
use std::fmt::{Display, Formatter};

use jni::objects::{Global, JObject};
use jni::sys::{JNI_OK, JNI_VERSION_1_8, JavaVMAttachArgs};
use jni::{Env, JavaVM};
use nestflow_runtime::error::Error;

/// Local references that a call has room for; the JVM makes more if it must.
const REFERENCES: usize = 16;

/// A Java object whose methods native code calls; the JVM keeps it until this is dropped.
#[derive(Debug)]
pub struct Peer(Option<Global<JObject<'static>>>);

impl Peer {
    /// Of an object that a native method was given, or that a call gave back.
    pub fn new(env: &Env<'_>, object: &JObject<'_>) -> jni::errors::Result<Peer> {
        env.new_global_ref(object).map(|object| Peer(Some(object)))
    }

    /// Calls it: `body` gets the object. References made there are gone afterwards.
    pub fn call<T>(
        &self,
        body: impl FnOnce(&mut Env<'_>, &JObject<'_>) -> jni::errors::Result<T>,
    ) -> Result<T, Thrown> {
        let nothing = JObject::null();
        attached(|env| body(env, self.0.as_ref().map_or(&nothing, |object| object.as_obj())))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Dropped as it is, it would attach the thread in another way.
        let object = self.0.take();
        let released = attached(|_| {
            drop(object);
            Ok(())
        });
        if let Err(thrown) = released {
            tracing::warn!(%thrown, "an object of the JVM cannot be released");
        }
    }
}

/// An exception, or a call that could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thrown {
    /// The name of its class.
    pub class: String,
    /// Its message.
    pub message: String,
}

impl Display for Thrown {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl From<jni::errors::Error> for Thrown {
    fn from(error: jni::errors::Error) -> Thrown {
        match error {
            jni::errors::Error::CaughtJavaException { name, msg, .. } => Thrown { class: name, message: msg },
            other => Thrown { class: "JNI".into(), message: other.to_string() },
        }
    }
}

impl From<Thrown> for Error {
    fn from(thrown: Thrown) -> Error {
        Error::Internal(format!("a call of the JVM failed: {thrown}"))
    }
}

/// Runs `body` in a thread that is attached to the JVM.
fn attached<T>(body: impl FnOnce(&mut Env<'_>) -> jni::errors::Result<T>) -> Result<T, Thrown> {
    // It is known since the first call that came from it.
    let vm = JavaVM::singleton()?;
    if !vm.is_thread_attached()? {
        attach(&vm)?;
    }
    vm.with_local_frame(REFERENCES, |env| {
        let result = body(env);
        // Not every failure has looked what was thrown; and nothing may stay pending.
        env.exception_catch()?;
        Ok(result?)
    })
}

/// Attaches this thread for the rest of its life.
fn attach(vm: &JavaVM) -> Result<(), Thrown> {
    let name = std::thread::current().name().and_then(|name| std::ffi::CString::new(name).ok());
    let mut arguments = JavaVMAttachArgs {
        version: JNI_VERSION_1_8,
        name: name.as_ref().map_or(std::ptr::null_mut(), |name| name.as_ptr().cast_mut()),
        group: std::ptr::null_mut(),
    };
    let mut env = std::ptr::null_mut();
    let raw = vm.get_raw();
    #[expect(unsafe_code, reason = "the crate attaches no daemons")]
    // SAFETY: the machine lives as long as the process, the arguments as long as the call; JNI
    // promises this function since 1.4.
    let status =
        unsafe { ((**raw).v1_4.AttachCurrentThreadAsDaemon)(raw, &raw mut env, (&raw mut arguments).cast()) };
    if status != JNI_OK {
        return Err(Thrown { class: "JNI".into(), message: format!("no thread can be attached: {status}") });
    }
    // Where the thread is ending already, it stays attached: that is the JVM's to notice.
    let _ = ATTACHED.try_with(|attached| attached.replace(Some(Attached)));
    Ok(())
}

thread_local! {
    static ATTACHED: RefCell<Option<Attached>> = const { RefCell::new(None) };
}

/// Detaches a thread that we have attached, at its end.
struct Attached;

impl Drop for Attached {
    fn drop(&mut self) {
        let Ok(vm) = JavaVM::singleton() else { return };
        let raw = vm.get_raw();
        #[expect(unsafe_code, reason = "the crate knows nothing of what it has not attached")]
        // SAFETY: the machine lives as long as the process; no frame of Java's is on the stack of a
        // thread that has come to its end.
        let _ = unsafe { ((**raw).v1_1.DetachCurrentThread)(raw) };
    }
}
