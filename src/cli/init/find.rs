//! Where TF2 servers usually are.

use std::path::{Path, PathBuf};

/// The folders from which the search starts.
pub(super) struct Surroundings {
    /// The home of whoever runs vpid.
    pub home: Option<PathBuf>,
    /// The folder with everybody's homes; `container` in it is what hosting panels use.
    pub homes: PathBuf,
    pub current: PathBuf,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        Self {
            home: std::env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from),
            homes: PathBuf::from("/home"),
            current: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
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
            home: Some(home.clone()),
        };
        assert_eq!(games(&around), [tf]);
    }
}
