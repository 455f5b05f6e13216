//! Neither side can block the other: a worker takes what it is sent while nobody takes what it says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use arrow_array::RecordBatch;
use nestflow_batch::block::{BlockHeader, encode};
use nestflow_chain::wire::encode_chain;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain};
use nestflow_workers::message::{ColumnKind, FromWorker, Place, Shipped, ToWorker, read, write};
use nestflow_workers::serve;

mod chains;

use chains::{batch, map};

/// No process: nothing can be shared with it, so that all goes through the socket.
const NOBODY: u32 = u32::MAX;
/// Much more than a socket holds.
const BYTES: usize = 8 << 20;
const BATCHES: usize = 4;

/// A host that gives what it gets.
struct Same;

struct Open(Vec<RecordBatch>);

impl Host for Same {
    fn open(&self, _: &ChainSpec, _: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        Ok(Box::new(Open(Vec::new())))
    }

    fn name(&self) -> &'static str {
        "same"
    }
}

impl OpenChain for Open {
    fn credits(&self) -> usize {
        BATCHES
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.0.push(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        Ok(self.0.remove(0))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
}

fn block() -> Vec<u8> {
    let mut block = Vec::new();
    encode(&BlockHeader::default(), &batch([vec![b'x'; BYTES]]), false, &mut block).unwrap();
    block
}

#[test]
fn a_worker_takes_what_it_is_sent_while_nobody_listens() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let worker = std::thread::spawn(move || serve(theirs, NOBODY, &Same));
    let (mut sending, (told, sent)) = (ours.try_clone().unwrap(), channel());
    std::thread::spawn(move || {
        let program = encode_chain(&map("same", 0)).unwrap();
        write(&mut sending, &ToWorker::Open { chain: 0, sides: 0 }, &program).unwrap();
        for _ in 0..BATCHES {
            let batch = Shipped { columns: vec![("v".into(), ColumnKind::Cells)], place: Place::Payload };
            write(&mut sending, &ToWorker::Push { chain: 0, batch }, &block()).unwrap();
        }
        write(&mut sending, &ToWorker::Exit, &[]).unwrap();
        told.send(()).unwrap();
    });
    sent.recv_timeout(Duration::from_secs(30)).expect("the worker does not take it all");
    let mut pulled = 0;
    while let Some((message, payload)) = read::<FromWorker>(&mut ours).unwrap() {
        match message {
            FromWorker::Hello { .. } => {}
            FromWorker::Pulled { chain: 0, .. } => {
                assert!(payload.len() > BYTES);
                pulled += 1;
            }
            other => panic!("{other:?}"),
        }
        if pulled == BATCHES {
            break;
        }
    }
    worker.join().unwrap().unwrap();
}
