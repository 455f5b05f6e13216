//! What the tests of pools send: programs of one function that has a name, and batches of one column.

use std::sync::Arc;

use arrow_array::{BinaryViewArray, RecordBatch};
use arrow_schema::Schema;
use nestflow_batch::columns::cell_field;
use nestflow_chain::{
    CallSite, ChainSpec, Emit, Function, Program, Side, SideFrom, SideShape, Step, StepKind,
};

/// A program that maps with the function of that name, and has so many open sides.
pub fn map(name: &str, sides: usize) -> ChainSpec {
    let site = CallSite { file: "job.py".into(), line: 7, function: "main".into(), transform: "map".into() };
    let kind = StepKind::Map(Function { name: name.into(), pickled: Vec::new() });
    let steps = vec![Step { kind, site, sides: Vec::new() }];
    ChainSpec {
        program: Program::Records { steps, emit: Emit::Value, keep_groups_from: None, most: None },
        sides: vec![Side { shape: SideShape::Sequence, from: SideFrom::Open }; sides],
    }
}

/// A batch with such cells.
pub fn batch<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> RecordBatch {
    let cells: BinaryViewArray = cells.into_iter().map(Some).collect();
    RecordBatch::try_new(Arc::new(Schema::new(vec![cell_field("v")])), vec![Arc::new(cells)]).unwrap()
}
