//! Errors that no script caught, with the stack and its locals, as the engine prints them.

use std::ffi::c_char;

use crate::ffi::{self, Raw, StackInfos};
use crate::native::machine;
use crate::stack::own_text;
use crate::{Int, Value, Vm};

/// One function of the stack of an error.
#[derive(Clone, Debug)]
pub struct Frame {
    pub function: String,
    pub source: String,
    pub line: Int,
    /// Names and printed values.
    pub locals: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct ScriptError {
    pub message: String,
    /// The innermost first. An error of the compiler has one, without a function.
    pub stack: Vec<Frame>,
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        for frame in &self.stack {
            let Frame {
                function,
                source,
                line,
                ..
            } = frame;
            write!(f, "\n  in {function} ({source}, line {line})")?;
        }
        Ok(())
    }
}

/// Stack levels that are looked at, and locals of each.
const LEVELS_MAX: Int = 64;
const LOCALS_MAX: ffi::Word = 128;

impl Vm {
    /// From inside a native function or the error handler, level 0 is that one.
    fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for level in 1..LEVELS_MAX {
            let mut infos = StackInfos {
                function: std::ptr::null(),
                source: std::ptr::null(),
                line: 0,
            };
            // SAFETY: a level that does not exist fails.
            if unsafe { ffi::sq_stackinfos(self.raw, level, &mut infos) } < 0 {
                break;
            }
            frames.push(Frame {
                function: own_text(infos.function),
                source: own_text(infos.source),
                line: infos.line,
                locals: self.locals(level as ffi::Word),
            });
        }
        frames
    }

    fn locals(&self, level: ffi::Word) -> Vec<(String, String)> {
        let mut locals = Vec::new();
        for index in 0..LOCALS_MAX {
            let local = self.balanced(|| {
                // SAFETY: room was reserved; gives null, and pushes nothing, where there is none.
                let name = unsafe { ffi::sq_getlocal(self.raw, level, index) };
                (!name.is_null()).then(|| (own_text(name), self.display_at(-1)))
            });
            match local {
                Some(local) => locals.push(local),
                None => break,
            }
        }
        locals
    }

    fn report(&self, error: ScriptError) {
        let report = self.handle.on_error.borrow().clone();
        if let Some(report) = report {
            report(&error);
        }
    }
}

pub(crate) extern "C" fn on_error(raw: Raw) -> Int {
    let vm = machine(raw);
    // SAFETY: called by the interpreter with `this` and what was thrown.
    unsafe { ffi::sq_reservestack(raw, 32) };
    let message = match vm.read(2) {
        Value::Text(text) => String::from_utf8_lossy(&text).into_owned(),
        _ => vm.display_at(2),
    };
    let stack = vm.frames();
    vm.report(ScriptError { message, stack });
    0
}

pub(crate) extern "C" fn on_compiler_error(
    raw: Raw,
    message: *const c_char,
    source: *const c_char,
    line: Int,
    _column: Int,
) {
    let frame = Frame {
        function: String::new(),
        source: own_text(source),
        line,
        locals: Vec::new(),
    };
    machine(raw).report(ScriptError {
        message: own_text(message),
        stack: vec![frame],
    });
}
