//! Files of Hadoop's file systems, by the class `nestflow.spark.Files` of the JVM: names and questions
//! as texts, bytes through a buffer that each open file has for as long as it is open.
//!
//! One copy between buffer and native memory, one call for each piece of some hundred kilobytes. No
//! lock is held during a call.

use std::io::{self, Write};
use std::sync::Arc;

use jni::objects::{JByteArray, JByteBuffer, JObject, JString, JValue};
use jni::strings::JNIStr;
use jni::{Env, jni_sig, jni_str};
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::io::{DataLink, Files, Link, LocalStorage, NewFile, ReadAt, RemoteStorage, refused};

use crate::upcall::{Peer, Thrown};

/// Bytes that the array of a `FileWriter` holds.
const WRITE_BYTES: usize = 256 << 10;

/// The files that a task sees: without an object of the JVM, only those of this machine.
pub fn files(env: &Env<'_>, object: &JObject<'_>) -> jni::errors::Result<Arc<dyn Files>> {
    if object.is_null() {
        return Ok(Arc::new(LocalStorage));
    }
    Ok(Arc::new(RemoteStorage::new(HadoopFiles(Peer::new(env, object)?))))
}

struct HadoopFiles(Peer);

impl HadoopFiles {
    /// Calls a method of one path that gives an object.
    fn opened(
        &self,
        method: &JNIStr,
        signature: &jni::signature::MethodSignature<'_, '_>,
        path: &str,
    ) -> Result<Peer> {
        let opened = self.0.call(|env, files| {
            let path = env.new_string(path)?;
            let object = env.call_method(files, method, signature, &[JValue::Object(&path)])?.l()?;
            Peer::new(env, &object)
        });
        opened.map_err(|thrown| at(path, thrown))
    }
}

impl Link for HadoopFiles {
    fn ask(&self, operation: &str, path: &str, other: &str) -> Result<Option<String>> {
        let answer = self.0.call(|env, files| {
            let texts = [env.new_string(operation)?, env.new_string(path)?, env.new_string(other)?];
            let texts = [&texts[0], &texts[1], &texts[2]].map(|text| JValue::Object(text));
            let signature =
                jni_sig!("(Ljava/lang/String;Ljava/lang/String;Ljava/lang/String;)Ljava/lang/String;");
            let answer = env.call_method(files, jni_str!("ask"), signature, &texts)?.l()?;
            if answer.is_null() {
                return Ok(None);
            }
            env.cast_local::<JString>(answer)?.try_to_string(env).map(Some)
        });
        answer.map_err(|thrown| at(path, thrown))
    }
}

impl DataLink for HadoopFiles {
    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>> {
        let signature = jni_sig!("(Ljava/lang/String;)Lnestflow/spark/FileReader;");
        Ok(Box::new(Reader(self.opened(jni_str!("open"), &signature, path)?)))
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        let signature = jni_sig!("(Ljava/lang/String;)Lnestflow/spark/FileWriter;");
        let peer = self.opened(jni_str!("create"), &signature, path)?;
        Ok(Box::new(Writer { peer, open: true }))
    }
}

fn at(path: &str, thrown: Thrown) -> Error {
    Error::Io { path: path.into(), source: failed(thrown) }
}

/// An exception as an error of a file.
fn failed(thrown: Thrown) -> io::Error {
    refused(&thrown.message).unwrap_or_else(|| io::Error::other(thrown.to_string()))
}

struct Reader(Peer);

impl ReadAt for Reader {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let outcome = self.0.call(|env, reader| {
            let wanted = buffer.len().min(i32::MAX as usize) as i32;
            let arguments = [JValue::Long(offset as i64), JValue::Int(wanted)];
            let read = env.call_method(reader, jni_str!("read"), jni_sig!("(JI)I"), &arguments)?.i()?;
            let read = buffer.len().min(read.max(0) as usize);
            if read > 0 {
                copy(env, reader, &mut buffer[..read])?;
            }
            Ok(read)
        });
        outcome.map_err(failed)
    }
}

/// What the reader has in its buffer.
fn copy(env: &mut Env<'_>, reader: &JObject<'_>, into: &mut [u8]) -> jni::errors::Result<()> {
    let signature = jni_sig!("()Ljava/nio/ByteBuffer;");
    let direct = env.call_method(reader, jni_str!("buffer"), signature, &[])?.l()?;
    if direct.is_null() {
        let bytes = env.call_method(reader, jni_str!("bytes"), jni_sig!("()[B"), &[])?.l()?;
        let bytes = env.cast_local::<JByteArray>(bytes)?;
        return bytes.get_region(env, 0, signed_mut(into));
    }
    let direct = env.cast_local::<JByteBuffer>(direct)?;
    let from = env.get_direct_buffer_address(&direct)?;
    if env.get_direct_buffer_capacity(&direct)? < into.len() {
        return Err(jni::errors::Error::JniCall(jni::errors::JniError::InvalidArguments));
    }
    #[expect(unsafe_code, reason = "a buffer of the JVM is an address")]
    // SAFETY: the buffer is as long as that, and stays where it is while we hold a reference; only
    // `FileReader.read` writes to it, and this thread is the only one that calls that.
    unsafe {
        std::ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len());
    }
    Ok(())
}

#[expect(unsafe_code, reason = "the bytes of Java have a sign")]
fn signed_mut(bytes: &mut [u8]) -> &mut [i8] {
    // SAFETY: the two types have the same size and alignment, and every value of one is one of the other.
    unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

#[expect(unsafe_code, reason = "the bytes of Java have a sign")]
fn signed(bytes: &[u8]) -> &[i8] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let closed = self.0.call(|env, reader| {
            env.call_method(reader, jni_str!("close"), jni_sig!("()V"), &[])?;
            Ok(())
        });
        if let Err(thrown) = closed {
            tracing::debug!(%thrown, "a file that was read cannot be closed");
        }
    }
}

struct Writer {
    peer: Peer,
    open: bool,
}

impl Writer {
    fn close(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        let closed = self.peer.call(|env, writer| {
            env.call_method(writer, jni_str!("close"), jni_sig!("()V"), &[])?;
            Ok(())
        });
        closed.map_err(failed)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(WRITE_BYTES);
        let written = self.peer.call(|env, writer| {
            let array = env.call_method(writer, jni_str!("bytes"), jni_sig!("()[B"), &[])?.l()?;
            let array = env.cast_local::<JByteArray>(array)?;
            array.set_region(env, 0, signed(&bytes[..count]))?;
            let count = [JValue::Int(count as i32)];
            env.call_method(writer, jni_str!("write"), jni_sig!("(I)V"), &count)?;
            Ok(())
        });
        written.map_err(failed)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Writer {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.close()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Given up: whatever it says, its file is removed next.
        let _ = self.close();
    }
}
