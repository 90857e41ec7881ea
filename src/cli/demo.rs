//! `vpid demo`.

pub fn run(_: &mut dyn std::io::Write) -> Result<(), String> {
    Ok(())
}
