//! Declarations of Squirrel's C interface, as far as it is used here.
//!
//! The declarations of the `squirrel` crate are for its own build, with wide integers, and leave
//! the standard library out.

use std::ffi::{c_char, c_void};

#[repr(C)]
pub struct Machine {
    _opaque: [u8; 0],
}

pub type Raw = *mut Machine;
/// Negative when it failed.
pub type Outcome = i32;
pub type Function = extern "C" fn(Raw) -> i32;
pub type CompilerError = extern "C" fn(Raw, *const c_char, *const c_char, i32, i32);

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
    pub line: i32,
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
    pub fn sq_open(stack: i32) -> Raw;
    pub fn sq_close(v: Raw);
    pub fn sq_seterrorhandler(v: Raw);
    pub fn sq_setcompilererrorhandler(v: Raw, f: CompilerError);
    pub fn sq_setsharedforeignptr(v: Raw, p: *mut c_void);
    pub fn sq_getsharedforeignptr(v: Raw) -> *mut c_void;
    pub fn sq_enabledebuginfo(v: Raw, enable: u32);
    pub fn sq_compilebuffer(
        v: Raw,
        text: *const c_char,
        size: i32,
        source: *const c_char,
        raise: u32,
    ) -> Outcome;

    pub fn sq_gettop(v: Raw) -> i32;
    pub fn sq_settop(v: Raw, top: i32);
    pub fn sq_pop(v: Raw, count: i32);
    pub fn sq_reservestack(v: Raw, count: i32) -> Outcome;

    pub fn sq_pushnull(v: Raw);
    pub fn sq_pushbool(v: Raw, value: u32);
    pub fn sq_pushinteger(v: Raw, value: i32);
    pub fn sq_pushfloat(v: Raw, value: f32);
    pub fn sq_pushstring(v: Raw, text: *const c_char, bytes: i32);
    pub fn sq_pushobject(v: Raw, object: RawObject);
    pub fn sq_pushroottable(v: Raw);
    pub fn sq_newtable(v: Raw);
    pub fn sq_newarray(v: Raw, size: i32);
    pub fn sq_newclosure(v: Raw, function: Function, free_variables: u32);
    pub fn sq_setnativeclosurename(v: Raw, at: i32, name: *const c_char) -> Outcome;
    pub fn sq_createinstance(v: Raw, at: i32) -> Outcome;
    pub fn sq_setinstanceup(v: Raw, at: i32, p: *mut c_void) -> Outcome;
    pub fn sq_getinstanceup(v: Raw, at: i32, p: *mut *mut c_void, tag: *mut c_void) -> Outcome;
    pub fn sq_settypetag(v: Raw, at: i32, tag: *mut c_void) -> Outcome;

    pub fn sq_gettype(v: Raw, at: i32) -> u32;
    pub fn sq_getsize(v: Raw, at: i32) -> i32;
    pub fn sq_getstring(v: Raw, at: i32, text: *mut *const c_char) -> Outcome;
    pub fn sq_getinteger(v: Raw, at: i32, value: *mut i32) -> Outcome;
    pub fn sq_getfloat(v: Raw, at: i32, value: *mut f32) -> Outcome;
    pub fn sq_getbool(v: Raw, at: i32, value: *mut u32) -> Outcome;
    pub fn sq_getstackobj(v: Raw, at: i32, object: *mut RawObject) -> Outcome;
    pub fn sq_addref(v: Raw, object: *mut RawObject);
    pub fn sq_release(v: Raw, object: *mut RawObject) -> u32;
    pub fn sq_tostring(v: Raw, at: i32) -> Outcome;

    pub fn sq_newslot(v: Raw, at: i32, is_static: u32) -> Outcome;
    pub fn sq_rawget(v: Raw, at: i32) -> Outcome;
    pub fn sq_get(v: Raw, at: i32) -> Outcome;
    pub fn sq_deleteslot(v: Raw, at: i32, push: u32) -> Outcome;
    pub fn sq_arrayappend(v: Raw, at: i32) -> Outcome;
    pub fn sq_setdelegate(v: Raw, at: i32) -> Outcome;
    pub fn sq_getdelegate(v: Raw, at: i32) -> Outcome;
    pub fn sq_next(v: Raw, at: i32) -> Outcome;

    pub fn sq_call(v: Raw, arguments: i32, result: u32, raise: u32) -> Outcome;
    pub fn sq_throwerror(v: Raw, message: *const c_char) -> Outcome;
    pub fn sq_getlasterror(v: Raw);
    pub fn sq_stackinfos(v: Raw, level: i32, infos: *mut StackInfos) -> Outcome;
    pub fn sq_getlocal(v: Raw, level: u32, index: u32) -> *const c_char;

    pub fn sqstd_register_mathlib(v: Raw) -> Outcome;
    pub fn sqstd_register_stringlib(v: Raw) -> Outcome;
}
