//! `StringToFile` and `FileToString`, on the disk as the engine does it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use game_vm::{Call, Value};

use super::record::What;
use super::world::Shared;

/// The engine gives no larger file to a script.
const READ_BYTES_MAX: u64 = 16_384;
/// Its buffer for a whole path, with the NUL at its end.
const MAX_PATH: usize = 260;

fn path(world: &Shared, name: &str) -> Option<PathBuf> {
    let plain = name.replace('\\', "/");
    let plain = plain.trim_start_matches('/');
    let good = !plain.is_empty() && !plain.contains("..");
    let path = good.then(|| world.borrow().scriptdata.join(plain))?;
    (path.as_os_str().len() < MAX_PATH).then_some(path)
}

/// Truncates the file and fills it: a reader can see it empty or cut.
pub fn string_to_file(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (name, text) = (call.name(0)?, call.text(1)?);
    let written = path(world, &name).is_some_and(|path| {
        if let Some(folder) = path.parent() {
            // Whether it is there now shows when the file is made.
            let _ = fs::create_dir_all(folder);
        }
        let file = fs::File::create(path);
        file.and_then(|mut file| {
            file.write_all(&text)?;
            file.write_all(&[0])
        })
        .is_ok()
    });
    world.borrow_mut().note(if written {
        What::Write { name, text }
    } else {
        What::Refused { name }
    });
    Ok(Value::Bool(written))
}

pub fn file_to_string(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let name = call.name(0)?;
    let Some(path) = path(world, &name) else {
        world.borrow_mut().note(What::Refused { name });
        return Ok(Value::Null);
    };
    let bytes = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
    let bytes = bytes.map(|metadata| metadata.len());
    let text = match bytes {
        Some(0..=READ_BYTES_MAX) => fs::read(&path).ok(),
        _ => None,
    };
    let given = text.is_some();
    world.borrow_mut().note(What::Read { name, bytes, given });
    let text = text.map(|text| {
        let end = text.iter().position(|byte| *byte == 0);
        text[..end.unwrap_or(text.len())].to_vec()
    });
    Ok(text.into())
}
