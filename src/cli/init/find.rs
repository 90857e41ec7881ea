//! Where TF2 servers usually are.

use std::path::{Component, Path, PathBuf};

use crate::config;

pub(super) type Environment = Box<dyn Fn(&str) -> Option<String>>;

/// The folders from which the search starts.
pub(super) struct Surroundings {
    /// The home of the user that runs vpid.
    pub home: Option<PathBuf>,
    /// The folder with the homes of all users; `container` in it is what hosting panels use.
    pub homes: PathBuf,
    pub current: PathBuf,
    /// The configuration of the whole machine.
    pub system_config: PathBuf,
    pub environment: Environment,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        Self {
            home: std::env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from),
            homes: PathBuf::from("/home"),
            current: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            system_config: config::SEARCH_PATHS[1].into(),
            environment: Box::new(config::process_environment),
        }
    }
}

/// Every `tf` folder with a game in it, each once however many links lead there.
pub(super) fn games(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for candidate in candidates(surroundings) {
        if !is_game(&candidate) {
            continue;
        }
        let real = std::fs::canonicalize(&candidate).unwrap_or(candidate);
        if !found.contains(&real) {
            found.push(real);
        }
    }
    found
}

/// Whether this is the `tf` folder of an installation.
pub(super) fn is_game(folder: &Path) -> bool {
    folder.join("gameinfo.txt").is_file()
}

/// The scriptdata folder that is meant: owners may name the `tf` folder around it.
pub(super) fn scriptdata_folder(given: &Path, around: &Surroundings) -> PathBuf {
    let path = without_detours(around.current.join(given));
    if is_game(&path) {
        path.join("scriptdata")
    } else {
        path
    }
}

/// The folder for scripts that is meant, likewise.
pub(super) fn scripts_folder(given: &Path, around: &Surroundings) -> PathBuf {
    let path = without_detours(around.current.join(given));
    if is_game(&path) {
        config::usual_scripts(&path.join("scriptdata"))
    } else {
        path
    }
}

/// The `tf` folder whose game loads its scripts from here. Another game, in a usual place, is not meant.
pub(super) fn game_of_scripts(given: &Path, around: &Surroundings) -> Result<PathBuf, String> {
    let folder = real(&scripts_folder(given, around));
    let tf = folder.ancestors().nth(2).unwrap_or(Path::new("/"));
    if is_game(tf) {
        return Ok(tf.to_owned());
    }
    Err(format!(
        "there is no gameinfo.txt in {}, so it is not the folder of a game; name scriptdata with \
         --scriptdata .../tf/scriptdata",
        tf.display()
    ))
}

/// Owners copy such paths from what we say, so `..` is worked out. A link stays as it was named.
fn without_detours(path: PathBuf) -> PathBuf {
    let detour = path.components().any(|part| part == Component::ParentDir);
    if detour { real(&path) } else { path }
}

/// Whether two paths lead to one folder, which may not exist yet.
pub(super) fn same_place(left: &Path, right: &Path) -> bool {
    real(left) == real(right)
}

pub(super) fn lies_in(path: &Path, folder: &Path) -> bool {
    real(path).starts_with(real(folder))
}

/// Where a path leads, as far as it exists; in the rest, `..` leads back to the folder above.
fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|ancestor| {
        let real = std::fs::canonicalize(ancestor).ok()?;
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(rest.components().fold(real, |mut real, part| {
            match part {
                Component::ParentDir => drop(real.pop()),
                part => real.push(part),
            }
            real
        }))
    });
    found.unwrap_or_else(|| path.to_owned())
}

fn candidates(surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut installations: Vec<PathBuf> = Vec::new();
    if let Some(home) = &surroundings.home {
        for steam in [".steam/steam", ".local/share/Steam", "Steam"] {
            for game in ["Team Fortress 2", "Team Fortress 2 Dedicated Server"] {
                installations.push(home.join(steam).join("steamapps/common").join(game));
            }
        }
        installations.push(home.join("serverfiles"));
        installations.push(home.join("tf2server/serverfiles"));
    }
    installations.push(surroundings.homes.join("container"));
    let mut homes: Vec<PathBuf> = std::fs::read_dir(&surroundings.homes)
        .into_iter()
        .flatten()
        .flatten()
        .map(|home| home.path().join("serverfiles"))
        .collect();
    homes.sort();
    installations.extend(homes);
    installations.extend(surroundings.current.ancestors().map(Path::to_owned));
    let mut candidates: Vec<PathBuf> = installations.iter().map(|path| path.join("tf")).collect();
    let inside = surroundings
        .current
        .ancestors()
        .filter(|path| path.ends_with("tf"));
    candidates.extend(inside.map(Path::to_owned));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, at: &str) -> PathBuf {
        let tf = root.join(at);
        std::fs::create_dir_all(&tf).unwrap();
        std::fs::write(tf.join("gameinfo.txt"), "\"GameInfo\"").unwrap();
        std::fs::canonicalize(tf).unwrap()
    }

    #[test]
    fn each_usual_place_is_found() {
        for at in [
            "home/me/.steam/steam/steamapps/common/Team Fortress 2/tf",
            "home/me/.local/share/Steam/steamapps/common/Team Fortress 2 Dedicated Server/tf",
            "home/me/serverfiles/tf",
            "home/me/tf2server/serverfiles/tf",
            "home/other/serverfiles/tf",
            "home/container/tf",
            "srv/game/tf",
            "srv/tf",
        ] {
            let root = tempfile::tempdir().unwrap();
            let current = root.path().join("srv/game/tf/addons");
            std::fs::create_dir_all(&current).unwrap();
            let around = Surroundings {
                home: Some(root.path().join("home/me")),
                homes: root.path().join("home"),
                current,
                system_config: root.path().join("none"),
                environment: Box::new(|_| None),
            };
            assert!(games(&around).is_empty(), "{at}");
            let tf = install(root.path(), at);
            assert_eq!(games(&around), [tf], "{at}");
        }
    }

    #[test]
    fn a_link_to_the_same_game_does_not_count_twice() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().to_owned();
        let tf = install(
            &home,
            ".local/share/Steam/steamapps/common/Team Fortress 2/tf",
        );
        std::fs::create_dir(home.join(".steam")).unwrap();
        std::os::unix::fs::symlink(home.join(".local/share/Steam"), home.join(".steam/steam"))
            .unwrap();
        let around = Surroundings {
            homes: home.join("none"),
            current: home.join("none"),
            system_config: home.join("none"),
            environment: Box::new(|_| None),
            home: Some(home.clone()),
        };
        assert_eq!(games(&around), [tf]);
    }
}
