//! A Squirrel 3.1 interpreter as the game's, behind a safe interface. Its integers have 32 bits, or 64 where
//! `build.rs` was set to that.
//! What the game adds to it is not here.

mod errors;
mod ffi;
mod json;
mod native;
mod stack;
mod value;

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_void};
use std::rc::Rc;

pub use errors::{Frame, ScriptError};
pub use ffi::Int;
pub use native::{Call, Native};
pub use value::{Object, Value};

/// Marks classes whose instances carry a number of ours.
const TAG: *mut c_void = std::ptr::without_provenance_mut(0x7069_6401);
const STACK_SLOTS: Int = 1024;
/// Whether integers of scripts have 64 bits.
pub const IS_WIDE: bool = cfg!(wide);

type Report = dyn Fn(&ScriptError);

/// What a machine and the objects that outlive its uses share.
struct Handle {
    raw: ffi::Raw,
    open: Cell<bool>,
    natives: RefCell<Vec<Rc<Native>>>,
    on_error: RefCell<Option<Rc<Report>>>,
    panic: RefCell<Option<native::Panic>>,
    /// Native functions on the stack.
    depth: Cell<u32>,
}

impl Handle {
    fn is_open(&self) -> bool {
        self.open.get()
    }
}

/// An interpreter, or a thread of one. Clones are the same machine.
#[derive(Clone)]
pub struct Vm {
    raw: ffi::Raw,
    handle: Rc<Handle>,
}

impl Default for Vm {
    fn default() -> Self {
        Self::new()
    }
}

impl Vm {
    /// With the libraries that the game has: the base, mathematics, and strings.
    pub fn new() -> Self {
        // SAFETY: a fresh machine; the pointer is that of an `Rc` which lives as long as it.
        unsafe {
            let raw = ffi::sq_open(STACK_SLOTS);
            let handle = Rc::new(Handle {
                raw,
                open: Cell::new(true),
                natives: RefCell::default(),
                on_error: RefCell::default(),
                panic: RefCell::default(),
                depth: Cell::new(0),
            });
            ffi::sq_setsharedforeignptr(raw, Rc::as_ptr(&handle).cast_mut().cast());
            ffi::sq_enabledebuginfo(raw, 1);
            ffi::sq_pushroottable(raw);
            ffi::sqstd_register_mathlib(raw);
            ffi::sqstd_register_stringlib(raw);
            ffi::sq_newclosure(raw, errors::on_error, 0);
            ffi::sq_seterrorhandler(raw);
            ffi::sq_setcompilererrorhandler(raw, errors::on_compiler_error);
            ffi::sq_settop(raw, 0);
            Vm { raw, handle }
        }
    }

    /// Ends the interpreter, with all that its functions hold. Must not be called by one of them;
    /// afterwards the machine must not be used.
    pub fn close(self) {
        assert_eq!(self.handle.depth.get(), 0, "closed from inside");
        if self.handle.open.replace(false) {
            // SAFETY: it was open; from here on, objects leave it alone.
            unsafe { ffi::sq_close(self.handle.raw) };
        }
        self.handle.on_error.take();
        let natives = self.handle.natives.take();
        drop(natives);
    }

    /// Where errors go that no script caught.
    pub fn on_error(&self, report: impl Fn(&ScriptError) + 'static) {
        *self.handle.on_error.borrow_mut() = Some(Rc::new(report));
    }

    /// Compiles a file; errors are reported, and given.
    pub fn compile(&self, source: &str, text: &[u8]) -> Result<Object, String> {
        let name = CString::new(source).map_err(|_| "a source name with NUL".to_string())?;
        self.balanced(|| {
            let (start, bytes) = (text.as_ptr().cast::<c_char>(), text.len() as Int);
            // SAFETY: text and name live through the call; on success a closure is on top.
            let done =
                unsafe { ffi::sq_compilebuffer(self.raw, start, bytes, name.as_ptr(), 1) >= 0 };
            if !done {
                return Err(self.last_error());
            }
            Ok(self.read(-1).as_object().expect("a closure").clone())
        })
    }

    /// Calls a function. An error that it does not catch is reported, and given.
    pub fn call(
        &self,
        function: &Object,
        this: &Value,
        arguments: &[Value],
    ) -> Result<Value, String> {
        let result = self.balanced(|| {
            // SAFETY: room is reserved for all that is pushed; the result is on top on success.
            unsafe {
                ffi::sq_reservestack(self.raw, arguments.len() as Int + 32);
                ffi::sq_pushobject(self.raw, function.raw);
                self.push(this);
                for argument in arguments {
                    self.push(argument);
                }
                let count = 1 + arguments.len() as Int;
                if ffi::sq_call(self.raw, count, 1, 1) >= 0 {
                    Ok(self.read(-1))
                } else {
                    Err(self.last_error())
                }
            }
        });
        self.go_on_panicking();
        result
    }

    fn last_error(&self) -> String {
        self.balanced(|| {
            // SAFETY: room was reserved.
            unsafe { ffi::sq_getlasterror(self.raw) };
            self.display_at(-1)
        })
    }

    pub fn root(&self) -> Object {
        self.balanced(|| {
            // SAFETY: room was reserved.
            unsafe { ffi::sq_pushroottable(self.raw) };
            self.read(-1).as_object().expect("a table").clone()
        })
    }

    pub fn table(&self) -> Object {
        self.balanced(|| {
            // SAFETY: room was reserved.
            unsafe { ffi::sq_newtable(self.raw) };
            self.read(-1).as_object().expect("a table").clone()
        })
    }

    pub fn array(&self, values: &[Value]) -> Object {
        self.balanced(|| {
            // SAFETY: room was reserved; the array stays below what is appended.
            unsafe {
                ffi::sq_newarray(self.raw, 0);
                for value in values {
                    self.push(value);
                    ffi::sq_arrayappend(self.raw, -2);
                }
            }
            self.read(-1).as_object().expect("an array").clone()
        })
    }

    /// Makes or replaces a slot of a table or class.
    pub fn set(&self, holder: &Object, key: &str, value: &Value) {
        self.balanced(|| {
            self.push(&holder.clone().into());
            self.push(&key.into());
            self.push(value);
            // SAFETY: key and value stand on top of their holder.
            unsafe { ffi::sq_newslot(self.raw, -3, 0) };
        });
    }

    /// A slot of the object itself; null when there is none.
    pub fn get(&self, holder: &Object, key: &str) -> Value {
        self.look_up(holder, key, ffi::sq_rawget)
    }

    /// The same through delegates and `_get`, as a script would see it.
    pub fn get_as_script(&self, holder: &Object, key: &str) -> Value {
        self.look_up(holder, key, ffi::sq_get)
    }

    fn look_up(
        &self,
        holder: &Object,
        key: &str,
        how: unsafe extern "C" fn(ffi::Raw, Int) -> ffi::Outcome,
    ) -> Value {
        self.balanced(|| {
            self.push(&holder.clone().into());
            self.push(&key.into());
            // SAFETY: the key stands on top of its holder; on success the value replaces it.
            if unsafe { how(self.raw, -2) } >= 0 {
                self.read(-1)
            } else {
                Value::Null
            }
        })
    }

    /// `delete holder.key`, which runs `_delslot`. What that throws is given, not reported.
    pub fn delete(&self, holder: &Object, key: &str) -> Result<(), String> {
        let result = self.balanced(|| {
            self.push(&holder.clone().into());
            self.push(&key.into());
            // SAFETY: the key stands on top of its holder.
            match unsafe { ffi::sq_deleteslot(self.raw, -2, 0) } {
                0.. => Ok(()),
                _ => Err(self.last_error()),
            }
        });
        self.go_on_panicking();
        result
    }

    pub fn delegate(&self, table: &Object) -> Option<Object> {
        self.balanced(|| {
            self.push(&table.clone().into());
            // SAFETY: the value is on top; on success its delegate or null is.
            if unsafe { ffi::sq_getdelegate(self.raw, -1) } < 0 {
                return None;
            }
            self.read(-1).as_object().cloned()
        })
    }

    pub fn set_delegate(&self, table: &Object, delegate: &Object) {
        self.balanced(|| {
            self.push(&table.clone().into());
            self.push(&delegate.clone().into());
            // SAFETY: the delegate stands on top of the table.
            unsafe { ffi::sq_setdelegate(self.raw, -2) };
        });
    }

    /// Keys and values of a table or array, in the interpreter's order.
    pub fn entries(&self, holder: &Object) -> Vec<(Value, Value)> {
        let mut entries = Vec::new();
        self.balanced(|| {
            self.push(&holder.clone().into());
            // SAFETY: the iterator stands on top of its holder, and each turn pops what it got.
            unsafe {
                ffi::sq_pushnull(self.raw);
                while ffi::sq_next(self.raw, -2) >= 0 {
                    entries.push((self.read(-2), self.read(-1)));
                    ffi::sq_pop(self.raw, 2);
                }
            }
        });
        entries
    }

    /// What `tostring` gives.
    pub fn display(&self, value: &Value) -> String {
        self.balanced(|| {
            self.push(value);
            self.display_at(-1)
        })
    }

    /// Marks a class, so that its instances may carry numbers.
    pub fn mark_class(&self, class: &Object) {
        self.balanced(|| {
            self.push(&class.clone().into());
            // SAFETY: the class is on top. The tag is compared, never followed.
            unsafe { ffi::sq_settypetag(self.raw, -1, TAG) };
        });
    }

    /// An instance of a marked class, without its constructor. `number` is not 0.
    pub fn instance(&self, class: &Object, number: usize) -> Object {
        assert_ne!(number, 0);
        self.balanced(|| {
            self.push(&class.clone().into());
            // SAFETY: the class, then its instance, are on top. The number is never followed.
            unsafe {
                ffi::sq_createinstance(self.raw, -1);
                let number = std::ptr::without_provenance_mut(number);
                ffi::sq_setinstanceup(self.raw, -1, number);
            }
            self.read(-1).as_object().expect("an instance").clone()
        })
    }
}
