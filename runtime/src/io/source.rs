//! The records of a source's split, whatever form its files have.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::{put, tag};

use super::line_batch::SCHEMA;
use super::sequence::SequenceReader;
use super::splits::Split;
use super::storage::Files;
use super::text_source::{TextEncoding, TextReader};
use crate::error::Result;
use crate::internal;
use crate::plan::logical::{FileSource, SourceForm};

/// Batches of one column `v` of cells; they end after an error.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The records of a split.
pub fn open_source(files: Arc<dyn Files>, source: &FileSource, split: Split) -> Result<Batches> {
    match &source.form {
        SourceForm::Sequence => Ok(Box::new(SequenceReader::new(files, &split, source.named))),
        SourceForm::Names => Ok(Box::new(std::iter::once(names(&split)))),
        SourceForm::Text { encoding } => {
            let encoding = TextEncoding::named(encoding.as_deref())?;
            if source.named {
                return Ok(named(files, split, encoding));
            }
            Ok(Box::new(TextReader::new(files, &split, encoding)))
        }
    }
}

/// Lines with the paths of their files: a reader for each piece, since batches are shared otherwise.
fn named(files: Arc<dyn Files>, split: Split, encoding: TextEncoding) -> Batches {
    let index = split.index;
    Box::new(split.pieces.into_iter().flat_map(move |piece| {
        let path = piece.path.clone();
        let alone = Split { index, pieces: vec![piece] };
        let lines = TextReader::new(Arc::clone(&files), &alone, encoding);
        lines.map(move |batch| with_name(&batch?, &path))
    }))
}

fn with_name(batch: &RecordBatch, path: &str) -> Result<RecordBatch> {
    let lines = batch.column(0).as_binary_view_opt().ok_or_else(|| internal!("lines are not cells"))?;
    pairs((0..lines.len()).map(|row| (path, cell_at(lines, row).unwrap_or(&[tag::NONE]))))
}

/// The files of a split, each with None.
fn names(split: &Split) -> Result<RecordBatch> {
    pairs(split.pieces.iter().map(|piece| (piece.path.as_str(), [tag::NONE].as_slice())))
}

/// Pairs of a path and a cell.
fn pairs<'a>(rows: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>) -> Result<RecordBatch> {
    let mut built = CellBuilder::with_capacity(rows.len());
    for (path, cell) in rows {
        let out = built.buffer();
        put::open(out, tag::TUPLE);
        put::put_str(out, path.as_bytes(), true);
        put::put_item(out, cell);
        put::close(out);
        built.commit();
    }
    Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), vec![Arc::new(built.finish()?)])?)
}
