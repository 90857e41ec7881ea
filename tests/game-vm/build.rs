//! Links Squirrel's standard library: the `squirrel` crate builds it and links only the core.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let root = std::env::var("DEP_SQUIRREL_STATIC_ROOT").expect("squirrel says where it was built");
    println!("cargo:rustc-link-search=native={root}");
    println!("cargo:rustc-link-lib=static=sqstdlib_static");
}
