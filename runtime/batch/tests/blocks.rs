//! Blocks come back as they were, wherever they lie; whatever is wrong with one is an error that
//! names its origin.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, UInt32Array, UInt64Array,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::block::{BlockError, BlockHeader, HEADER_LEN, decode, decode_buffer, encode};
use nestflow_batch::columns::{CellBuilder, cell_at, cell_field, hash_columns, null_column};
use nestflow_batch::scatter::ChannelBuffers;
use proptest::collection::vec;
use proptest::prelude::*;

type Cells = Vec<Option<Vec<u8>>>;

fn cells(values: &Cells) -> ArrayRef {
    let mut builder = CellBuilder::default();
    values.iter().for_each(|value| builder.append_option(value.as_deref()));
    Arc::new(builder.finish().unwrap())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn block(batch: &RecordBatch, compression: bool) -> Vec<u8> {
    let mut out = vec![];
    let header = BlockHeader { channel: 3, producer: 5, sequence: 8, rows: 0 };
    encode(&header, batch, compression, &mut out).unwrap();
    out
}

fn sample() -> RecordBatch {
    let long = Some(b"longer than a view has room for".to_vec());
    batch(vec![
        ("k", cells(&vec![Some(vec![1]), None, long.clone()])),
        ("unused", null_column(3)),
        ("v", cells(&vec![long.clone(), long, Some(vec![])])),
        ("n", Arc::new(UInt64Array::from(vec![Some(1), None, Some(u64::MAX)]))),
        ("empty", Arc::new(Int64Array::from(vec![None::<i64>; 3]))),
    ])
}

fn column() -> impl Strategy<Value = Cells> {
    vec(proptest::option::weighted(0.8, vec(any::<u8>(), 0..30)), 0..60)
}

/// A batch of four columns, of as many rows as the shortest has.
fn any_batch() -> impl Strategy<Value = RecordBatch> {
    let numbers = vec(any::<Option<i64>>(), 0..60);
    (column(), column(), numbers, any::<bool>()).prop_map(|(mut a, mut b, mut numbers, nulls)| {
        let rows = a.len().min(b.len()).min(numbers.len());
        a.truncate(rows);
        b.truncate(rows);
        numbers.truncate(rows);
        let unsigned: UInt64Array = numbers.iter().map(|n| n.map(|n| n as u64)).collect();
        batch(vec![
            ("a", if nulls { null_column(rows) } else { cells(&a) }),
            ("b", cells(&b)),
            ("i", Arc::new(Int64Array::from(numbers))),
            ("u", Arc::new(unsigned)),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn batches_come_back(batch in any_batch(), compression: bool, cut in any::<(prop::sample::Index, prop::sample::Index)>()) {
        let rows = batch.num_rows();
        let (from, to) = (cut.0.index(rows + 1), cut.1.index(rows + 1));
        for batch in [batch.slice(from.min(to), from.abs_diff(to)), batch] {
            let block = block(&batch, compression);
            prop_assert_eq!(block.len() % 8, 0);
            let header = BlockHeader { channel: 3, producer: 5, sequence: 8, rows: batch.num_rows() as u32 };
            prop_assert_eq!(BlockHeader::read(&block[..HEADER_LEN], "here").unwrap(), (header, block.len() as u64));
            prop_assert_eq!(decode(&block, &batch.schema(), "here").unwrap(), (header, batch.clone()));
            // Anywhere in a mapped file.
            let file = [&[0; 3][..], &block, &[0; 5]].concat();
            let inside = Buffer::from_vec(file).slice_with_length(3, block.len());
            prop_assert_eq!(decode_buffer(&inside, &batch.schema(), "here").unwrap().1, batch);
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in vec(any::<u8>(), 0..200), good_start: bool) {
        let batch = sample();
        let start = if good_start { block(&batch, false)[..HEADER_LEN].to_vec() } else { vec![] };
        prop_assert!(decode(&[start, bytes].concat(), &batch.schema(), "here").is_err());
    }

    #[test]
    fn rows_reach_their_channels_in_order(
        batches in vec(any_batch(), 1..4), channels in 1_usize..6, seed: u64,
    ) {
        let schema = batches[0].schema();
        let mut buffers = ChannelBuffers::new(schema.clone(), channels).unwrap();
        let empty = buffers.held_bytes();
        let mut expected = vec![vec![]; channels];
        let mut state = seed;
        for batch in &batches {
            let channel_of_row: Vec<u32> = (0..batch.num_rows()).map(|row| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let channel = (state >> 33) as usize % channels;
                expected[channel].push(batch.slice(row, 1));
                channel as u32
            }).collect();
            buffers.append(batch, &channel_of_row).unwrap();
        }
        let waiting: usize = (0..channels).map(|channel| buffers.bytes(channel)).sum();
        prop_assert!(buffers.held_bytes() >= empty + waiting);
        for (channel, expected) in expected.iter().enumerate() {
            prop_assert_eq!(buffers.rows(channel), expected.len());
            prop_assert_eq!(buffers.bytes(channel) == 0, expected.is_empty());
            let taken = block(&buffers.take(channel).unwrap(), false);
            let (_, taken) = decode(&taken, &schema, "here").unwrap();
            prop_assert_eq!(taken.num_rows(), expected.len());
            for (row, expected) in expected.iter().enumerate() {
                prop_assert_eq!(&taken.slice(row, 1), expected);
            }
            prop_assert_eq!((buffers.rows(channel), buffers.bytes(channel)), (0, 0));
            prop_assert_eq!(buffers.take(channel).unwrap().num_rows(), 0);
        }
    }

    #[test]
    fn builders_keep_what_they_are_given(values in column()) {
        let column = cells(&values);
        let column = column.as_binary_view();
        let back: Cells = (0..column.len()).map(|row| cell_at(column, row).map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(back, values);
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_an_error() {
    let batch = sample();
    for compression in [false, true] {
        let good = block(&batch, compression);
        assert!(decode(&good, &batch.schema(), "here").is_ok());
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let error = decode(&bad, &batch.schema(), "part-7 of stage 2").unwrap_err();
                assert!(error.to_string().starts_with("bad block from part-7 of stage 2: "), "{error}");
            }
            assert!(decode(&good[..at], &batch.schema(), "here").is_err());
        }
        assert!(decode(&[&good[..], &[0]].concat(), &batch.schema(), "here").is_err());
    }
}

/// Damage that the checksums do not see, because they are made again: the reader's own checks.
#[test]
fn damage_under_a_good_checksum_never_hurts() {
    let batch = batch(vec![
        ("k", cells(&vec![Some(vec![7; 40]); 40])),
        ("s", cells(&(0..40).map(|n| (n % 3 > 0).then(|| vec![7; n % 13])).collect::<Vec<_>>())),
        ("t", Arc::new(StringArray::from(vec![Some("é"); 40]))),
        ("n", Arc::new(UInt64Array::from(vec![Some(1); 40]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true); 40]))),
    ]);
    let mut refused = 0;
    for compression in [false, true] {
        let good = block(&batch, compression);
        for at in (6..44).chain(HEADER_LEN..good.len()) {
            for value in [0, 1, 0x7F, 0x80, 0xFF, good[at] ^ 1, good[at].wrapping_add(1)] {
                let mut bad = good.clone();
                bad[at] = value;
                let body = crc32c::crc32c(&bad[HEADER_LEN..]).to_le_bytes();
                bad[40..44].copy_from_slice(&body);
                let header = crc32c::crc32c(&bad[..44]).to_le_bytes();
                bad[44..48].copy_from_slice(&header);
                refused += usize::from(decode(&bad, &batch.schema(), "here").is_err());
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn all_kinds_of_columns_fit() {
    let batch = batch(vec![
        ("t", Arc::new(StringArray::from(vec![Some("a"), None]))),
        ("f", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("g", Arc::new(UInt32Array::from(vec![Some(1), None]))),
    ]);
    assert_eq!(decode(&block(&batch, true), &batch.schema(), "here").unwrap().1, batch);
    let nested = Field::new("item", DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![Field::new("l", DataType::List(Arc::new(nested)), true)]));
    let lists = RecordBatch::new_empty(schema);
    let error = encode(&BlockHeader::default(), &lists, false, &mut vec![]).unwrap_err();
    assert!(matches!(error, BlockError::Unfit(_)), "{error}");
    assert!(error.to_string().starts_with("batch cannot be a block: column l has the type List"), "{error}");
}

#[test]
fn rows_without_columns_are_counted() {
    let options = RecordBatchOptions::new().with_row_count(Some(5));
    let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    for batch in [none, batch(vec![("a", null_column(7)), ("b", null_column(7))])] {
        let block = block(&batch, true);
        assert!(block.len() <= HEADER_LEN + 8);
        assert_eq!(decode(&block, &batch.schema(), "here").unwrap().1, batch);
    }
}

#[test]
fn another_schema_is_an_error() {
    let block = block(&batch(vec![("a", cells(&vec![Some(vec![1])]))]), false);
    let decode = |schema: Schema| decode(&block, &Arc::new(schema), "spill 4");
    assert!(decode(Schema::new(vec![cell_field("a")])).is_ok());
    let error = decode(Schema::new(vec![cell_field("b")])).unwrap_err();
    assert_eq!(error.to_string(), "bad block from spill 4: made for another schema than (b BinaryView)");
    assert!(decode(Schema::new(vec![Field::new("a", DataType::Int64, true)])).is_err());
    assert!(decode(Schema::new(vec![cell_field("a"), cell_field("a")])).is_err());
}

#[test]
fn shared_buffers_are_not_written_whole() {
    let big = batch(vec![("v", cells(&vec![Some(vec![9; 100]); 10_000]))]);
    assert!(block(&big.slice(500, 2), false).len() < 600);
}

#[test]
fn values_shared_beyond_two_gigabytes_are_refused() {
    let column = cells(&vec![Some(vec![9; 64 << 20])]);
    let same = UInt32Array::from(vec![0; 40]);
    let column = arrow_select::take::take(&column, &same, None).unwrap();
    let batch = batch(vec![("v", column)]);
    assert!(encode(&BlockHeader::default(), &batch, false, &mut vec![]).is_err());
    let mut buffers = ChannelBuffers::new(batch.schema(), 2).unwrap();
    let empty = buffers.held_bytes();
    assert!(buffers.append(&batch, &[1; 40]).is_err());
    assert_eq!((buffers.bytes(1), buffers.held_bytes()), (0, empty));
}

#[test]
fn uncompressed_values_stay_where_they_are() {
    let batch = sample();
    let block = Buffer::from_vec(block(&batch, false));
    let (_, back) = decode_buffer(&block, &batch.schema(), "here").unwrap();
    let inside = block.as_ptr_range();
    let values = back.column(2).as_binary_view().data_buffers()[0].as_ptr();
    assert!(inside.contains(&values));
}

#[test]
fn hashes_are_the_same_for_ever() {
    let (a, b) = (cells(&vec![Some(b"a".to_vec()), None]), cells(&vec![None, Some(b"a".to_vec())]));
    let hashes = |columns: &[&BinaryViewArray]| {
        let mut out = vec![7; 2];
        hash_columns(columns, &mut out);
        out
    };
    let (a, b) = (a.as_binary_view(), b.as_binary_view());
    assert_eq!(hashes(&[a]), [0xE6C6_32B6_1E96_4E1F, 0x2D06_8005_38D3_94C2]);
    assert_ne!(hashes(&[a, b])[0], hashes(&[b, a])[0]);
    assert_eq!(hashes(&[]), [0, 0]);
}

#[test]
fn misdirected_rows_are_an_error() {
    let schema: SchemaRef = sample().schema();
    let mut buffers = ChannelBuffers::new(schema, 2).unwrap();
    assert!(buffers.append(&sample(), &[0, 1, 2]).is_err());
    assert!(buffers.append(&sample(), &[0, 1]).is_err());
    assert!(buffers.append(&batch(vec![("k", null_column(1))]), &[0]).is_err());
    assert!(buffers.take(2).is_err());
    assert_eq!((buffers.rows(0), buffers.bytes(0), buffers.bytes(1)), (0, 0, 0));
    let text = Schema::new(vec![Field::new("t", DataType::Utf8, true)]);
    assert!(ChannelBuffers::new(Arc::new(text), 1).is_err());
}
