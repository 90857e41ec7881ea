//! Rust functions that scripts call.

use std::any::Any;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::ffi::{self, Raw};
use crate::{Handle, Int, Object, Value, Vm};

/// A function of the game. An error is thrown in the script.
pub type Native = dyn Fn(&Call<'_>) -> Result<Value, String>;

/// One call of a native function.
pub struct Call<'a> {
    pub vm: &'a Vm,
    /// Counts from 0, `this` left out.
    arguments: Vec<Value>,
    pub this: Value,
}

impl Call<'_> {
    /// Null for an argument that was not given.
    pub fn argument(&self, index: usize) -> &Value {
        self.arguments.get(index).unwrap_or(&Value::Null)
    }

    pub fn count(&self) -> usize {
        self.arguments.len()
    }

    /// A text as native code gets it: up to the first NUL, null as an empty one.
    pub fn text(&self, index: usize) -> Result<Vec<u8>, String> {
        match self.argument(index) {
            Value::Text(text) => Ok(text.split(|byte| *byte == 0).next().unwrap_or(&[]).into()),
            Value::Null if index < self.arguments.len() => Ok(Vec::new()),
            _ => Err(self.wrong(index, "string")),
        }
    }

    /// The same for a text that names something.
    pub fn name(&self, index: usize) -> Result<String, String> {
        Ok(String::from_utf8_lossy(&self.text(index)?).into_owned())
    }

    /// As wide as parameters of native functions are, on any server.
    pub fn int(&self, index: usize) -> Result<i32, String> {
        let number = self.argument(index).as_int();
        number.ok_or_else(|| self.wrong(index, "integer|float"))
    }

    pub fn float(&self, index: usize) -> Result<f32, String> {
        let number = self.argument(index).as_float();
        number.ok_or_else(|| self.wrong(index, "integer|float"))
    }

    pub fn object(&self, index: usize) -> Result<&Object, String> {
        let object = self.argument(index).as_object();
        object.ok_or_else(|| self.wrong(index, "table|instance"))
    }

    fn wrong(&self, index: usize, expected: &str) -> String {
        let place = index + 1;
        format!("parameter {place} has an invalid type; expected: '{expected}'")
    }
}

/// Where a panic of a native function waits until no C++ stands between it and its caller.
pub(crate) type Panic = Box<dyn Any + Send>;

impl Vm {
    /// Makes a function that takes `counts.0` to `counts.1` arguments.
    pub fn function(
        &self,
        name: &str,
        counts: (usize, usize),
        native: impl Fn(&Call<'_>) -> Result<Value, String> + 'static,
    ) -> Object {
        let checked = move |call: &Call<'_>| {
            if call.count() < counts.0 || call.count() > counts.1 {
                return Err("wrong number of parameters".into());
            }
            native(call)
        };
        let mut natives = self.handle.natives.borrow_mut();
        natives.push(Rc::new(checked));
        let index = natives.len() as Int - 1;
        drop(natives);
        self.balanced(|| {
            let name = CString::new(name).expect("a name without NUL");
            // SAFETY: room was reserved. The one free variable is what `enter` calls.
            unsafe {
                ffi::sq_pushinteger(self.raw, index);
                ffi::sq_newclosure(self.raw, enter, 1);
                ffi::sq_setnativeclosurename(self.raw, -1, name.as_ptr());
            }
            self.read(-1)
                .as_object()
                .expect("a closure is an object")
                .clone()
        })
    }

    /// Goes on with the panic of a native function, if there was one.
    pub(crate) fn go_on_panicking(&self) {
        if self.handle.depth.get() > 0 {
            return;
        }
        let panic = self.handle.panic.borrow_mut().take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    pub(crate) fn throw(&self, message: &str) -> Int {
        let message = CString::new(message.replace('\0', " ")).expect("no NUL is left");
        // SAFETY: the machine is open; the message is copied.
        unsafe { ffi::sq_throwerror(self.raw, message.as_ptr()) }
    }
}

/// The machine that called a native function, with what belongs to it.
pub(crate) fn machine(raw: Raw) -> Vm {
    // SAFETY: the shared pointer was set in `Vm::new` to a `Handle` that an `Rc` holds, and is
    // only followed while the machine is open, for which a `Vm` must live.
    let handle = unsafe {
        let handle = ffi::sq_getsharedforeignptr(raw)
            .cast_const()
            .cast::<Handle>();
        Rc::increment_strong_count(handle);
        Rc::from_raw(handle)
    };
    Vm { raw, handle }
}

/// Every native function comes through here.
extern "C" fn enter(raw: Raw) -> Int {
    let vm = machine(raw);
    // SAFETY: called by the interpreter, with `this`, the arguments, and one free variable.
    let top = unsafe {
        ffi::sq_reservestack(raw, 32);
        ffi::sq_gettop(raw)
    };
    let Value::Int(index) = vm.read(top) else {
        return vm.throw("a native function lost its place");
    };
    let native = Rc::clone(&vm.handle.natives.borrow()[index as usize]);
    let depth = vm.handle.depth.get();
    vm.handle.depth.set(depth + 1);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let arguments = (2..top).map(|at| vm.read(at)).collect();
        let this = vm.read(1);
        native(&Call {
            vm: &vm,
            arguments,
            this,
        })
    }));
    vm.handle.depth.set(depth);
    match result {
        Ok(Ok(value)) => {
            vm.push(&value);
            1
        }
        Ok(Err(message)) => vm.throw(&message),
        Err(panic) => {
            *vm.handle.panic.borrow_mut() = Some(panic);
            vm.throw("a native function panicked")
        }
    }
}
