//! Bytes that no honest process sends: an error or a message, never a panic, nor memory for what does not come.
//! `PROPTEST_CASES` makes it longer.
#![allow(clippy::unwrap_used, reason = "a test")]

use nestflow_chain::{Counts, UserError};
use nestflow_workers::message::{
    ColumnKind, Failure, FromWorker, Place, Shipped, ToWorker, VERSION, read, write,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads to the end of a stream.
fn read_all(bytes: &[u8]) {
    let mut stream = bytes;
    while let Ok(Some(_)) = read::<ToWorker>(&mut stream) {}
    let mut stream = bytes;
    while let Ok(Some(_)) = read::<FromWorker>(&mut stream) {}
}

/// One message of each kind.
fn honest() -> Vec<u8> {
    let batch = |place| Shipped {
        columns: vec![("v".into(), ColumnKind::Cells), ("origin".into(), ColumnKind::U32)],
        place,
    };
    let shared = Place::Shared { slot: 3, file: 5, replaces: Some(1), length: 9 };
    let user = UserError { pickled: Some(vec![128, 5]), class: "Oops".into(), ..UserError::default() };
    let counts = Counts([("lines".to_owned(), 7)].into());
    let mut bytes = Vec::new();
    for message in [
        ToWorker::Open { chain: 1, sides: 2 },
        ToWorker::Side { chain: 1, number: 4, bytes: 9, batch: Some(batch(shared.clone())) },
        ToWorker::Side { chain: 1, number: 4, bytes: 9, batch: None },
        ToWorker::Push { chain: 1, batch: batch(Place::Payload) },
        ToWorker::More { chain: 1 },
        ToWorker::Finish { chain: 1 },
        ToWorker::Close { chain: 1 },
        ToWorker::Exit,
    ] {
        write(&mut bytes, &message, b"a payload").unwrap();
    }
    for message in [
        FromWorker::Hello { version: VERSION },
        FromWorker::Pulled {
            chain: 1,
            batch: batch(shared),
            nanos: 5,
            more: true,
            enough: false,
            counts: counts.clone(),
        },
        FromWorker::Finished { chain: 1, batch: Some(batch(Place::Payload)), counts },
        FromWorker::Failed { chain: 1, failure: Failure::User(user) },
        FromWorker::Closed { chain: 1 },
        FromWorker::Bye { failure: Failure::Data("no".into()) },
    ] {
        write(&mut bytes, &message, b"").unwrap();
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn honest_messages_with_a_few_other_bytes(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        from in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = honest();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_all(&bytes[from.index(bytes.len())..]);
        read_all(&bytes[..cut.index(bytes.len())]);
        read_all(&bytes);
    }

    #[test]
    fn lengths_of_any_size(head in any::<u32>(), payload in any::<u64>(), rest in vec(any::<u8>(), 0..80)) {
        let mut bytes = head.to_le_bytes().to_vec();
        bytes.extend(payload.to_le_bytes());
        bytes.extend(rest);
        read_all(&bytes);
    }
}
