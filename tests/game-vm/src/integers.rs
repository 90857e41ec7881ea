//! Makes `tointeger` give 32 bits, as in the game. Arithmetic in scripts keeps its 64.

use crate::ffi;
use crate::{Object, Value, Vm};

impl Vm {
    pub(crate) fn narrow_tointeger(&self) {
        // One table serves integers, floats and truth values.
        for kind in [ffi::STRING, ffi::INTEGER] {
            let methods = self.default_methods(kind);
            let Value::Object(wide) = self.get(&methods, "tointeger") else {
                panic!("every Squirrel has tointeger");
            };
            let narrow = self.function("tointeger", (0, 1), move |call| {
                let base: Vec<Value> = (0..call.count())
                    .map(|n| call.argument(n).clone())
                    .collect();
                let number = call.vm.call_quietly(&wide, &call.this, &base)?;
                Ok(match (&call.this, number) {
                    (Value::Int(_), Value::Int(number)) => Value::from(number as i32),
                    (_, Value::Int(number)) => {
                        Value::Int(number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
                    }
                    (_, other) => other,
                })
            });
            self.set(&methods, "tointeger", &Value::Object(narrow));
        }
    }

    /// The table of the methods that all values of a type have.
    fn default_methods(&self, kind: u32) -> Object {
        self.balanced(|| {
            // SAFETY: room was reserved; the types given have such a table.
            unsafe { ffi::sq_getdefaultdelegate(self.raw, kind) };
            self.read(-1).as_object().expect("a table").clone()
        })
    }
}
