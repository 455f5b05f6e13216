//! Aggregates over cells, as DataFusion group accumulators: DataFusion owns the hash table, its
//! memory and its spilling; we own what happens with the values of a group.
//!
//! Every state and every result is one cell column (a state may be any bytes), so that all phases
//! look alike.

mod count;
mod extreme;
mod fold;
mod given;
mod packed;
mod slots;
mod sum;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::Result as DfResult;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDFImpl, GroupsAccumulator, Signature, Volatility};
use nestflow_chain::Host;

use super::build::cell_type;
use crate::error::Result;
use crate::internal;
use crate::plan::flat::{Agg, AggFn};

pub use packed::{compare_sorted, packed_items, packed_shown, put_sort_key, sort_key, take_part};

/// One aggregate as DataFusion sees it.
pub struct CellAggregate {
    name: String,
    agg: Agg,
    host: Arc<dyn Host>,
    signature: Signature,
}

impl CellAggregate {
    /// The function of an aggregate; folds run in `host`.
    pub fn new(agg: Agg, host: Arc<dyn Host>) -> CellAggregate {
        let name = agg.out.to_string();
        CellAggregate { name, agg, host, signature: Signature::variadic_any(Volatility::Volatile) }
    }
}

impl fmt::Debug for CellAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.agg.function)
    }
}

impl PartialEq for CellAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.agg == other.agg
    }
}

impl Eq for CellAggregate {}

impl Hash for CellAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.agg.hash(state);
    }
}

impl AggregateUDFImpl for CellAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(cell_type())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Err(internal!("aggregates always have groups").into())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(args.name, cell_type(), true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        Ok(match &self.agg.function {
            AggFn::Given => Box::new(given::Given::default()),
            AggFn::Count => Box::new(count::Count::default()),
            AggFn::Sum(add) => Box::new(sum::Sum::new(fold::Folder::new(self.host.clone(), add.clone()))),
            AggFn::Fold { partial, merge, .. } => Box::new(fold::Fold::new(
                fold::Folder::new(self.host.clone(), partial.clone()),
                fold::Folder::new(self.host.clone(), merge.clone()),
            )),
            AggFn::Extreme { largest } => Box::new(extreme::Extreme::new(*largest)),
            AggFn::Top { limit, largest } => {
                Box::new(packed::Packed::new(packed::Keep::Top { limit: *limit, largest: *largest }))
            }
            AggFn::Sorted { limit, descending } => {
                Box::new(packed::Packed::new(packed::Keep::Sorted { limit: *limit, descending: *descending }))
            }
            AggFn::First { limit } => Box::new(packed::Packed::new(packed::Keep::First { limit: *limit })),
            AggFn::Sample { limit } => Box::new(packed::Packed::new(packed::Keep::Sample { limit: *limit })),
            AggFn::ToList => Box::new(packed::Packed::new(packed::Keep::All)),
        })
    }
}

/// The cells of an argument or a state.
fn cells(array: &ArrayRef) -> Result<&BinaryViewArray> {
    array.as_binary_view_opt().ok_or_else(|| internal!("an aggregate over what is no cell"))
}
