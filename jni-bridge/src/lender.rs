//! Spark's memory manager as a lender of memory to a native task. What it throws is a no.

use jni::objects::JValue;
use jni::{jni_sig, jni_str};
use nestflow_runtime::remote::Lender;

use crate::upcall::Peer;

/// The memory of one Spark task: an `org.apache.spark.nestflow.TaskMemory`.
#[derive(Debug)]
pub struct SparkMemory(pub Peer);

impl Lender for SparkMemory {
    fn borrow(&self, bytes: usize) -> usize {
        let lent = self.0.call(|env, memory| {
            env.call_method(memory, jni_str!("acquire"), jni_sig!("(J)J"), &[JValue::Long(bytes as i64)])?.j()
        });
        match lent {
            Ok(lent) => lent.max(0) as usize,
            Err(thrown) => {
                tracing::warn!(%thrown, "Spark lends no memory");
                0
            }
        }
    }

    fn give_back(&self, bytes: usize) {
        let given = self.0.call(|env, memory| {
            env.call_method(memory, jni_str!("release"), jni_sig!("(J)V"), &[JValue::Long(bytes as i64)])?.v()
        });
        if let Err(thrown) = given {
            tracing::warn!(%thrown, "Spark does not take memory back");
        }
    }
}
