//! Batches of Arrow in, batches out: `nestflow_function.h` in Rust, without any crate.
//!
//! The logic is `total`; what is around it is the same for every function. A program with the crate
//! `arrow` would take the batch with `arrow::ffi::from_ffi` and give one with `arrow::ffi::to_ffi`.

mod interface;

use std::ffi::{c_char, CString};

use interface::{ArrowArray, ArrowSchema, Column};

/// The price of an order line, with a tenth off from ten on; of nothing if something is not known.
fn total(price: Option<f64>, quantity: Option<i64>) -> Option<f64> {
    let (price, quantity) = (price?, quantity?);
    let discount = if quantity >= 10 { 0.9 } else { 1.0 };
    Some(price * quantity as f64 * discount)
}

fn totals(array: &ArrowArray, schema: &ArrowSchema) -> Result<Vec<Option<f64>>, String> {
    let prices: Column<f64> = Column::of(array, schema, "price")?;
    let quantities: Column<i64> = Column::of(array, schema, "quantity")?;
    Ok((0..array.rows()).map(|row| total(prices.at(row), quantities.at(row))).collect())
}

/// Takes columns `price` (double) and `quantity` (int64), gives a column `total` (double).
///
/// # Safety
/// The pointers are those of the Arrow C data interface that `nestflow_function.h` tells of.
#[no_mangle]
pub unsafe extern "C" fn nestflow_arrow_totals(
    argument: *mut ArrowArray,
    argument_schema: *mut ArrowSchema,
    result: *mut ArrowArray,
    result_schema: *mut ArrowSchema,
    err: *mut *mut c_char,
) -> i32 {
    // The argument stays the caller's: it is only looked at.
    // SAFETY: by the caller's promise both are whole and live as long as this call.
    let made = std::panic::catch_unwind(|| unsafe { totals(&*argument, &*argument_schema) });
    let problem = match made {
        Ok(Ok(values)) => {
            let (array, schema) = interface::batch("total", values);
            // SAFETY: by the caller's promise there is room for both.
            unsafe {
                result.write(array);
                result_schema.write(schema);
            }
            return 0;
        }
        Ok(Err(problem)) => problem,
        Err(_) => "a panic".to_owned(),
    };
    let problem = CString::new(problem.replace('\0', " ")).unwrap_or_default();
    // SAFETY: by the caller's promise there is room for it; whoever takes it gives it to `nestflow_free`.
    unsafe { *err = problem.into_raw() };
    1
}

/// What the functions say of themselves.
#[no_mangle]
pub extern "C" fn nestflow_schema_totals() -> *mut c_char {
    let text = r#"{
        "doc": "The totals of order lines.",
        "argument": {"type": "object", "required": ["price", "quantity"], "properties": {
            "price": {"type": ["number", "null"]}, "quantity": {"type": ["integer", "null"]}}},
        "result": {"type": "object", "required": ["total"], "properties": {
            "total": {"type": ["number", "null"]}}}
    }"#;
    CString::new(text).unwrap_or_default().into_raw()
}

/// # Safety
/// The text is one that this library gave, and nobody uses it any more.
#[no_mangle]
pub unsafe extern "C" fn nestflow_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: by the caller's promise it was made by `CString::into_raw` in this library.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// The version of the header that this was written for.
#[no_mangle]
pub extern "C" fn nestflow_function_version() -> u32 {
    1
}
