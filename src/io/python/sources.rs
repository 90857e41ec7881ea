//! The host program: what runs in a script's process before the script does. It travels to the
//! process in the first line of its channel, so that none of it need be on disk.

/// Given to the interpreter: reads the first line, and runs the modules in it.
pub const BOOT: &str = include_str!("boot.py");

/// Names of modules, with their sources.
pub const MODULES: &[(&str, &str)] = &[
    ("game", include_str!("game.py")),
    ("vpid_boot", include_str!("vpid_boot.py")),
    ("vpid_channel", include_str!("vpid_channel.py")),
    ("vpid_database", include_str!("vpid_database.py")),
    ("vpid_host", include_str!("vpid_host.py")),
    ("vpid_interfaces", include_str!("vpid_interfaces.py")),
    ("vpid_loop", include_str!("vpid_loop.py")),
    ("vpid_process", include_str!("vpid_process.py")),
    ("vpid_requests", include_str!("vpid_requests.py")),
    ("vpid_script", include_str!("vpid_script.py")),
    ("vpid_values", include_str!("vpid_values.py")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_folder_travels() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/io/python");
        let files = std::fs::read_dir(folder).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut modules: Vec<String> = files
            .filter_map(|file| Some(file.strip_suffix(".py")?.to_owned()))
            .filter(|module| module != "boot")
            .collect();
        modules.sort();
        let known: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
        assert_eq!(modules, known);
    }
}
