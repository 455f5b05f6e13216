//! What no honest process sends, to the parts of a pool that take it: an error or a reply, never a panic, a wait or
//! a fault of memory. `PROPTEST_CASES` makes it longer. What is read from the stream has tests of its own
//! (`tests/fuzz.rs`).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use arrow_array::{Array, BinaryViewArray, RecordBatch};
use nestflow_chain::Counts;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::mapped::Mapped;
use crate::message::{ColumnKind, Failure, FromWorker, Place, Shipped};
use crate::output::standard_error;
use crate::shared::{Inbox, Outbox, Seals, nameless};
use crate::ship::{Packed, Parcel};
use crate::worker::{Reply, Worker};

/// Files of every kind that a sender might name.
static FILES: LazyLock<Vec<OwnedFd>> = LazyLock::new(|| {
    let memory = |length: u64, word: u32, seals: Option<Seals>| {
        let mut file = nameless(c"nestflow-fuzz").unwrap();
        file.set_len(length).unwrap();
        if length >= 4 {
            file.write_all(&word.to_le_bytes()).unwrap();
        }
        if let Some(seals) = seals {
            seals.add(&file).unwrap();
        }
        OwnedFd::from(file)
    };
    let mut files = Vec::new();
    for length in [0, 1, 63, 64, 65, 4096, 1 << 20] {
        for seals in [None, Some(Seals::Length), Some(Seals::Whole)] {
            files.push(memory(length, 1, seals));
            files.push(memory(length, 7, seals));
        }
    }
    let (reading, writing) = std::io::pipe().unwrap();
    let (one, other) = UnixStream::pair().unwrap();
    let usual = ["/dev/null", "/", "/proc/self/maps"].map(|path| OwnedFd::from(File::open(path).unwrap()));
    files.extend(usual);
    files.extend([reading.into(), writing.into(), one.into(), other.into()]);
    files
});

fn file() -> impl Strategy<Value = i32> {
    let known = (0..FILES.len()).prop_map(|at| FILES[at].as_raw_fd());
    prop_oneof![8 => known, 1 => any::<i32>()]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![0..5000_u64, Just((1 << 20) - 64), Just(1 << 20), Just(u64::MAX), any::<u64>()]
}

fn place() -> impl Strategy<Value = Place> {
    let slot = (0..5_u32, file(), any::<Option<u8>>(), length());
    prop_oneof![
        Just(Place::Payload),
        slot.prop_map(|(slot, file, replaces, length)| Place::Shared {
            slot,
            file,
            replaces: replaces.map(|number| u32::from(number % 5)),
            length
        }),
        (file(), length()).prop_map(|(file, length)| Place::Mapped { file, length }),
    ]
}

fn shipped() -> impl Strategy<Value = Shipped> {
    let kind = prop_oneof![Just(ColumnKind::Cells), Just(ColumnKind::U32), Just(ColumnKind::U64)];
    (vec(("[vgx]", kind), 0..4), place()).prop_map(|(columns, place)| Shipped { columns, place })
}

/// Bytes, or a block with a few bytes changed.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let changed = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4).prop_map(|changes| {
        let mut block = honest();
        for (place, byte) in changes {
            let place = place.index(block.len());
            block[place] = byte;
        }
        block
    });
    prop_oneof![changed, vec(any::<u8>(), 0..300)]
}

/// The bytes of a batch as they are sent.
fn honest() -> Vec<u8> {
    let cells: BinaryViewArray = [Some(&b"a cell that is long"[..]), None, Some(b"b")].into_iter().collect();
    let schema = arrow_schema::Schema::new(vec![nestflow_batch::columns::cell_field("v")]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(cells)]).unwrap();
    let (mut stream, mut outbox) = (Vec::new(), Outbox::new(Arc::new(false.into())));
    Packed::of(&batch).unwrap().send(&mut stream, &mut outbox, |_| ()).unwrap();
    stream.split_off(12)
}

fn message() -> impl Strategy<Value = FromWorker> {
    let chain = 0..4_u32;
    prop_oneof![
        any::<u32>().prop_map(|version| FromWorker::Hello { version }),
        (chain.clone(), shipped(), any::<u64>(), any::<bool>(), any::<bool>()).prop_map(
            |(chain, batch, nanos, more, enough)| {
                FromWorker::Pulled { chain, batch, nanos, more, enough, counts: Counts::default() }
            }
        ),
        (chain.clone(), proptest::option::of(shipped()))
            .prop_map(|(chain, batch)| { FromWorker::Finished { chain, batch, counts: Counts::default() } }),
        chain.clone().prop_map(|chain| FromWorker::Failed { chain, failure: Failure::Data("no".into()) }),
        chain.prop_map(|chain| FromWorker::Closed { chain }),
        Just(FromWorker::Bye { failure: Failure::Data("no".into()) }),
    ]
}

proptest! {
    #[test]
    fn any_slot_of_any_file(sent in vec((shipped(), payload()), 1..12)) {
        let mut inbox = Inbox::new(std::process::id());
        for (shipped, payload) in sent {
            if let Ok(parcel) = Parcel::receive(shipped, payload, &mut inbox) {
                let _ = parcel.open();
            }
        }
    }

    #[test]
    fn any_message_in_any_order(messages in vec((message(), payload()), 1..20)) {
        // A process that only reads; our number is the name by which the shell knows itself.
        let mut command = Command::new("sh");
        command.args(["-c", "cat >/dev/null"]);
        let worker = Worker::start(command, None, &standard_error()).unwrap();
        let mut inbox = Inbox::new(std::process::id());
        let open = |_| worker.open((0, &"".into()), b"", Vec::new()).unwrap();
        let replies: Vec<_> = (0..3).map(open).collect();
        for (message, payload) in messages {
            let _ = worker.hand_over(message, payload, &mut inbox);
        }
        worker.kill();
        for (_, replies) in replies {
            while let Ok(reply) = replies.try_recv() {
                if let Reply::Pulled(parcel, ..) | Reply::Finished(Some(parcel), _) = reply {
                    let _ = parcel.open();
                }
            }
        }
    }
}

#[test]
fn a_mapped_block_is_opened_as_it_was() {
    let block = honest();
    let mapped = Mapped::new(&block).unwrap();
    let place = Place::Mapped { file: mapped.file(), length: block.len() as u64 };
    let shipped = Shipped { columns: vec![("v".into(), ColumnKind::Cells)], place };
    let mut inbox = Inbox::new(std::process::id());
    let batch = Parcel::receive(shipped, Vec::new(), &mut inbox).unwrap().open().unwrap();
    assert_eq!((batch.num_rows(), batch.column(0).is_null(1)), (3, true));
}
