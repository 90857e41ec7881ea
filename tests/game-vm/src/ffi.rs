//! Declarations of Squirrel's C interface, as far as it is used here.
//!
//! The declarations of the `squirrel` crate are for its own build, with wide integers only, and leave
//! the standard library out.

use std::ffi::{c_char, c_void};

#[repr(C)]
pub struct Machine {
    _opaque: [u8; 0],
}

pub type Raw = *mut Machine;

/// `SQInteger`, an integer of scripts.
#[cfg(not(wide))]
pub type Int = i32;
#[cfg(wide)]
pub type Int = i64;

/// `SQUnsignedInteger`, also for truth values.
#[cfg(not(wide))]
pub type Word = u32;
#[cfg(wide)]
pub type Word = u64;

/// Negative when it failed.
pub type Outcome = Int;
pub type Function = extern "C" fn(Raw) -> Int;
pub type CompilerError = extern "C" fn(Raw, *const c_char, *const c_char, Int, Int);

/// `HSQOBJECT`: a type and a value of pointer size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawObject {
    pub kind: u32,
    pub value: u64,
}

#[repr(C)]
pub struct StackInfos {
    pub function: *const c_char,
    pub source: *const c_char,
    pub line: Int,
}

pub const NULL: u32 = 0x0100_0001;
pub const INTEGER: u32 = 0x0500_0002;
pub const FLOAT: u32 = 0x0500_0004;
pub const BOOL: u32 = 0x0100_0008;
pub const STRING: u32 = 0x0800_0010;
pub const TABLE: u32 = 0x0a00_0020;
pub const ARRAY: u32 = 0x0800_0040;
pub const INSTANCE: u32 = 0x0a00_8000;

unsafe extern "C" {
    pub fn sq_open(stack: Int) -> Raw;
    pub fn sq_close(v: Raw);
    pub fn sq_seterrorhandler(v: Raw);
    pub fn sq_setcompilererrorhandler(v: Raw, f: CompilerError);
    pub fn sq_setsharedforeignptr(v: Raw, p: *mut c_void);
    pub fn sq_getsharedforeignptr(v: Raw) -> *mut c_void;
    pub fn sq_enabledebuginfo(v: Raw, enable: Word);
    pub fn sq_compilebuffer(
        v: Raw,
        text: *const c_char,
        size: Int,
        source: *const c_char,
        raise: Word,
    ) -> Outcome;

    pub fn sq_gettop(v: Raw) -> Int;
    pub fn sq_settop(v: Raw, top: Int);
    pub fn sq_pop(v: Raw, count: Int);
    pub fn sq_reservestack(v: Raw, count: Int) -> Outcome;

    pub fn sq_pushnull(v: Raw);
    pub fn sq_pushbool(v: Raw, value: Word);
    pub fn sq_pushinteger(v: Raw, value: Int);
    pub fn sq_pushfloat(v: Raw, value: f32);
    pub fn sq_pushstring(v: Raw, text: *const c_char, bytes: Int);
    pub fn sq_pushobject(v: Raw, object: RawObject);
    pub fn sq_pushroottable(v: Raw);
    pub fn sq_newtable(v: Raw);
    pub fn sq_newarray(v: Raw, size: Int);
    pub fn sq_newclosure(v: Raw, function: Function, free_variables: Word);
    pub fn sq_setnativeclosurename(v: Raw, at: Int, name: *const c_char) -> Outcome;
    pub fn sq_createinstance(v: Raw, at: Int) -> Outcome;
    pub fn sq_setinstanceup(v: Raw, at: Int, p: *mut c_void) -> Outcome;
    pub fn sq_getinstanceup(v: Raw, at: Int, p: *mut *mut c_void, tag: *mut c_void) -> Outcome;
    pub fn sq_settypetag(v: Raw, at: Int, tag: *mut c_void) -> Outcome;

    pub fn sq_gettype(v: Raw, at: Int) -> u32;
    pub fn sq_getsize(v: Raw, at: Int) -> Int;
    pub fn sq_getstring(v: Raw, at: Int, text: *mut *const c_char) -> Outcome;
    pub fn sq_getinteger(v: Raw, at: Int, value: *mut Int) -> Outcome;
    pub fn sq_getfloat(v: Raw, at: Int, value: *mut f32) -> Outcome;
    pub fn sq_getbool(v: Raw, at: Int, value: *mut Word) -> Outcome;
    pub fn sq_getstackobj(v: Raw, at: Int, object: *mut RawObject) -> Outcome;
    pub fn sq_addref(v: Raw, object: *mut RawObject);
    pub fn sq_release(v: Raw, object: *mut RawObject) -> Word;
    pub fn sq_tostring(v: Raw, at: Int) -> Outcome;

    pub fn sq_newslot(v: Raw, at: Int, is_static: Word) -> Outcome;
    pub fn sq_rawget(v: Raw, at: Int) -> Outcome;
    pub fn sq_get(v: Raw, at: Int) -> Outcome;
    pub fn sq_deleteslot(v: Raw, at: Int, push: Word) -> Outcome;
    pub fn sq_arrayappend(v: Raw, at: Int) -> Outcome;
    pub fn sq_setdelegate(v: Raw, at: Int) -> Outcome;
    pub fn sq_getdelegate(v: Raw, at: Int) -> Outcome;
    pub fn sq_next(v: Raw, at: Int) -> Outcome;

    pub fn sq_call(v: Raw, arguments: Int, result: Word, raise: Word) -> Outcome;
    pub fn sq_throwerror(v: Raw, message: *const c_char) -> Outcome;
    pub fn sq_getlasterror(v: Raw);
    pub fn sq_stackinfos(v: Raw, level: Int, infos: *mut StackInfos) -> Outcome;
    pub fn sq_getlocal(v: Raw, level: Word, index: Word) -> *const c_char;

    pub fn sqstd_register_mathlib(v: Raw) -> Outcome;
    pub fn sqstd_register_stringlib(v: Raw) -> Outcome;
}
