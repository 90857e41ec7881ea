//! Values on the interpreter's stack. The stack does not grow by itself: who pushes, reserves.

use std::ffi::{CStr, c_char};

use crate::ffi::{self, RawObject};
use crate::{Int, Object, Value, Vm};

impl Vm {
    /// Runs `work` and puts the stack back to where it was.
    pub(crate) fn balanced<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: `raw` is open while a `Vm` is used (see `Vm::close`).
        unsafe {
            let top = ffi::sq_gettop(self.raw);
            ffi::sq_reservestack(self.raw, 32);
            let result = work();
            ffi::sq_settop(self.raw, top);
            result
        }
    }

    pub(crate) fn push(&self, value: &Value) {
        let v = self.raw;
        // SAFETY: room was reserved; texts are given with their length; objects are kept alive.
        unsafe {
            match value {
                Value::Null => ffi::sq_pushnull(v),
                Value::Bool(truth) => ffi::sq_pushbool(v, ffi::Word::from(*truth)),
                Value::Int(number) => ffi::sq_pushinteger(v, *number),
                Value::Float(number) => ffi::sq_pushfloat(v, *number),
                Value::Text(text) => {
                    ffi::sq_pushstring(v, text.as_ptr().cast::<c_char>(), text.len() as Int);
                }
                Value::Object(object) => ffi::sq_pushobject(v, object.raw),
            }
        }
    }

    pub(crate) fn read(&self, at: Int) -> Value {
        let v = self.raw;
        // SAFETY: `at` is a place of the stack; each getter is used for its own type.
        unsafe {
            match ffi::sq_gettype(v, at) {
                ffi::NULL => Value::Null,
                ffi::BOOL => {
                    let mut truth = 0;
                    ffi::sq_getbool(v, at, &mut truth);
                    Value::Bool(truth != 0)
                }
                ffi::INTEGER => {
                    let mut number = 0;
                    ffi::sq_getinteger(v, at, &mut number);
                    Value::Int(number)
                }
                ffi::FLOAT => {
                    let mut number = 0.0;
                    ffi::sq_getfloat(v, at, &mut number);
                    Value::Float(number)
                }
                ffi::STRING => Value::Text(self.text(at)),
                _ => {
                    let mut raw = RawObject {
                        kind: ffi::NULL,
                        value: 0,
                    };
                    ffi::sq_getstackobj(v, at, &mut raw);
                    Value::Object(Object::keep(raw, &self.handle))
                }
            }
        }
    }

    /// The bytes of a string on the stack.
    fn text(&self, at: Int) -> Vec<u8> {
        let mut text = std::ptr::null();
        // SAFETY: the value is a string, which gives a pointer to as many bytes as its size.
        unsafe {
            if ffi::sq_getstring(self.raw, at, &mut text) < 0 {
                return Vec::new();
            }
            let bytes = ffi::sq_getsize(self.raw, at) as usize;
            std::slice::from_raw_parts(text.cast::<u8>(), bytes).to_vec()
        }
    }

    /// What `tostring` gives for a place of the stack.
    pub(crate) fn display_at(&self, at: Int) -> String {
        self.balanced(|| {
            // SAFETY: room was reserved; on success the text is on top.
            let shown = unsafe { ffi::sq_tostring(self.raw, at) } >= 0;
            let text = if shown { self.text(-1) } else { b"?".to_vec() };
            String::from_utf8_lossy(&text).into_owned()
        })
    }

    /// The number that an instance was made with; `None` for anything else.
    pub fn instance_number(&self, value: &Value) -> Option<usize> {
        let object = value.as_object()?;
        if object.raw.kind != ffi::INSTANCE {
            return None;
        }
        self.balanced(|| {
            self.push(value);
            let mut number = std::ptr::null_mut();
            // SAFETY: the value is an instance. The tag distinguishes ours from those of other classes.
            let found = unsafe { ffi::sq_getinstanceup(self.raw, -1, &mut number, crate::TAG) };
            (found >= 0 && !number.is_null()).then_some(number.addr())
        })
    }
}

/// A text of the interpreter's own, such as a source name.
pub(crate) fn own_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the interpreter ends its texts with a NUL, and they live while it stands still.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}
