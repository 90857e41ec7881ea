//! Values that leave the interpreter: plain ones by value, the rest as counted references.

use std::fmt;
use std::rc::Rc;

use crate::ffi::{self, RawObject};
use crate::{Handle, Int};

#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(Int),
    Float(f32),
    /// Any bytes: the game cuts names inside characters.
    Text(Vec<u8>),
    /// A table, array, function, class or instance.
    Object(Object),
}

/// Keeps an object of the interpreter alive. Harmless once the interpreter is closed.
pub struct Object {
    pub(crate) raw: RawObject,
    pub(crate) handle: Rc<Handle>,
}

impl Clone for Object {
    fn clone(&self) -> Self {
        Self::keep(self.raw, &self.handle)
    }
}

impl Object {
    pub(crate) fn keep(mut raw: RawObject, handle: &Rc<Handle>) -> Self {
        if handle.is_open() {
            // SAFETY: the machine is open and `raw` was read from its stack or is kept already.
            unsafe { ffi::sq_addref(handle.raw, &mut raw) };
        }
        let handle = Rc::clone(handle);
        Self { raw, handle }
    }

    pub fn is_table(&self) -> bool {
        self.raw.kind == ffi::TABLE
    }

    pub fn is_array(&self) -> bool {
        self.raw.kind == ffi::ARRAY
    }

    /// Whether both are one and the same object.
    pub fn is(&self, other: &Object) -> bool {
        self.raw.kind == other.raw.kind && self.raw.value == other.raw.value
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if self.handle.is_open() {
            // SAFETY: the machine is open and this reference was counted in `keep`.
            unsafe { ffi::sq_release(self.handle.raw, &mut self.raw) };
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object of type {:#x}", self.raw.kind)
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// As a native function with a `float` parameter sees it.
    pub fn as_float(&self) -> Option<f32> {
        match self {
            Value::Int(number) => Some(*number as f32),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// As a native function with an `int` parameter sees it.
    pub fn as_int(&self) -> Option<i32> {
        match self {
            Value::Int(number) => Some(*number as i32),
            Value::Float(number) => Some(*number as i32),
            Value::Bool(truth) => Some(i32::from(*truth)),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Value::Int(number as Int)
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Value::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Value::Text(text)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
