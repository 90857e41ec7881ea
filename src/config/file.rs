//! Small files that a configuration names: read whole, or refused with a sentence.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The bytes of the file with the `what`, at most `bytes_max`. What the owner points us to may
/// be a link (as panels and containers make them), but not a pipe that would hold the start up.
pub(super) fn read(path: &Path, bytes_max: usize, what: &str) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{} cannot be read: {error}", path.display());
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!(
            "{} is not a file; name the file with the {what}",
            path.display()
        ));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(format!(
            "{} is larger than {bytes_max} bytes, which no {what} is",
            path.display()
        ));
    }
    Ok(bytes)
}

/// The text that a file holds; else the line from which on it holds none.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, usize> {
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        1 + good.iter().filter(|&&byte| byte == b'\n').count()
    })
}

pub(super) const NOT_UTF8: &str = "is not UTF-8 from here on; save the file as UTF-8";
