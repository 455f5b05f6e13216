//! As much of the Arrow C data interface as columns of numbers need.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface.html>

use std::ffi::{c_char, c_void, CStr, CString};
use std::ptr;

/// What a column is.
#[repr(C)]
pub struct ArrowSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ArrowSchema,
    dictionary: *mut ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

/// What is in a column.
#[repr(C)]
pub struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

/// Numbers that lie in a column as Rust has them.
pub trait Number: Copy {
    /// The letter that stands for them.
    const FORMAT: &'static str;
}

impl Number for f64 {
    const FORMAT: &'static str = "g";
}

impl Number for i64 {
    const FORMAT: &'static str = "l";
}

/// A column of numbers of a batch.
pub struct Column<'a, T> {
    values: &'a [T],
    /// A bit for each value, whether it is there; none: all are.
    valid: Option<&'a [u8]>,
    first: usize,
}

impl<'a, T: Number> Column<'a, T> {
    /// The column of this name.
    pub fn of(array: &'a ArrowArray, schema: &'a ArrowSchema, name: &str) -> Result<Self, String> {
        // SAFETY: a batch as the interface describes it, which lives as long as the call.
        unsafe {
            for index in 0..schema.n_children as usize {
                let field = &**schema.children.add(index);
                if CStr::from_ptr(field.name).to_bytes() != name.as_bytes() {
                    continue;
                }
                let format = CStr::from_ptr(field.format).to_string_lossy();
                if format != T::FORMAT {
                    return Err(format!("{name} has the format {format}, {} is wanted", T::FORMAT));
                }
                let column = &**array.children.add(index);
                let first = (column.offset + array.offset) as usize;
                let end = first + array.length as usize;
                let (valid, values) = (*column.buffers, *column.buffers.add(1));
                return Ok(Column {
                    values: slice(values.cast(), end),
                    valid: (!valid.is_null()).then(|| slice(valid.cast(), end.div_ceil(8))),
                    first,
                });
            }
        }
        Err(format!("there is no column {name}"))
    }

    /// The value in a row, if there is one.
    pub fn at(&self, row: usize) -> Option<T> {
        let place = self.first + row;
        let there = self.valid.map_or(true, |valid| valid[place / 8] >> (place % 8) & 1 == 1);
        there.then(|| self.values[place])
    }
}

/// # Safety
/// So many values are there, unless there are none.
unsafe fn slice<'a, T>(from: *const T, length: usize) -> &'a [T] {
    if length == 0 || from.is_null() {
        &[]
    } else {
        // SAFETY: by the caller's promise, and it is not null.
        unsafe { std::slice::from_raw_parts(from, length) }
    }
}

impl ArrowArray {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.length as usize
    }
}

/// What an array that was made here holds.
struct Held {
    _valid: Vec<u8>,
    _values: Vec<f64>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

/// What a schema that was made here holds.
struct Named {
    name: CString,
    children: Vec<*mut ArrowSchema>,
}

/// A batch of one column.
pub fn batch(name: &str, values: Vec<Option<f64>>) -> (ArrowArray, ArrowSchema) {
    let length = values.len();
    let mut valid = vec![0_u8; length.div_ceil(8)];
    for (row, _) in values.iter().enumerate().filter(|(_, value)| value.is_some()) {
        valid[row / 8] |= 1 << (row % 8);
    }
    let nulls = values.iter().filter(|value| value.is_none()).count();
    let values: Vec<f64> = values.into_iter().map(Option::unwrap_or_default).collect();
    let buffers = vec![valid.as_ptr().cast(), values.as_ptr().cast()];
    let column = array(length, nulls, Held { _valid: valid, _values: values, buffers, children: Vec::new() });
    let children = vec![Box::into_raw(Box::new(column))];
    let whole = Held { _valid: Vec::new(), _values: Vec::new(), buffers: vec![ptr::null()], children };
    let field = Box::into_raw(Box::new(schema(c"g", name, Vec::new())));
    (array(length, 0, whole), schema(c"+s", "", vec![field]))
}

fn array(length: usize, nulls: usize, held: Held) -> ArrowArray {
    let mut held = Box::new(held);
    ArrowArray {
        length: length as i64,
        null_count: nulls as i64,
        offset: 0,
        n_buffers: held.buffers.len() as i64,
        n_children: held.children.len() as i64,
        buffers: held.buffers.as_mut_ptr(),
        children: held.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_array),
        private_data: Box::into_raw(held).cast(),
    }
}

fn schema(format: &'static CStr, name: &str, children: Vec<*mut ArrowSchema>) -> ArrowSchema {
    let mut named = Box::new(Named { name: CString::new(name).unwrap_or_default(), children });
    ArrowSchema {
        format: format.as_ptr(),
        name: named.name.as_ptr(),
        metadata: ptr::null(),
        flags: 2, // nullable
        n_children: named.children.len() as i64,
        children: named.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_schema),
        private_data: Box::into_raw(named).cast(),
    }
}

/// # Safety
/// An array that was made here and was not released.
unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: by the caller's promise it is whole, its data and children are boxes of `batch`, and each is
    // given back here only.
    unsafe {
        let held = Box::from_raw((*array).private_data.cast::<Held>());
        for &child in &held.children {
            // Whoever took the child out has released it, or will.
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*array).release = None;
    }
}

/// # Safety
/// A schema that was made here and was not released.
unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: as for an array.
    unsafe {
        let named = Box::from_raw((*schema).private_data.cast::<Named>());
        for &child in &named.children {
            if let Some(release) = (*child).release {
                release(child);
            }
            drop(Box::from_raw(child));
        }
        (*schema).release = None;
    }
}
