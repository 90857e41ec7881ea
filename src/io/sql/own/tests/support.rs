//! An empty database of each engine.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::{Database, Engine, Sqlite};
pub(in crate::io) use crate::io::sql::mysql::tests::proxy::Proxy;
use crate::io::sql::mysql::tests::support::{Desk, shared};

pub(in crate::io) struct Bed {
    pub name: &'static str,
    pub database: Database,
    _folder: Option<tempfile::TempDir>,
}

/// One of each engine.
pub(in crate::io) fn beds() -> [Bed; 2] {
    [sqlite(), mysql()]
}

pub(in crate::io) fn sqlite() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::Sqlite(Sqlite {
        path: folder.path().join("community.db"),
        full_durability: false,
    });
    Bed {
        name: "SQLite",
        database: Database {
            name: "main".into(),
            engine,
            schema: None,
        },
        _folder: Some(folder),
    }
}

/// On the server that all tests share.
pub(in crate::io) fn mysql() -> Bed {
    on(shared())
}

pub(in crate::io) fn on(server: &test_mariadb::Server) -> Bed {
    Bed {
        name: "MySQL",
        database: Desk::on(server).database(),
        _folder: None,
    }
}

impl Bed {
    pub fn socket(&self) -> PathBuf {
        match &self.database.engine {
            Engine::Mysql(settings) => settings.socket.clone().unwrap(),
            Engine::Sqlite(_) => panic!("a file has no socket"),
        }
    }

    /// The same database, reached otherwise.
    pub fn by_socket(&self, path: &Path) -> Database {
        let mut database = self.database.clone();
        if let Engine::Mysql(settings) = &mut database.engine {
            settings.socket = Some(path.to_owned());
        }
        database
    }

    /// Waits for a condition.
    pub fn until(&self, mut is: impl FnMut() -> bool, what: &str) {
        let began = Instant::now();
        while !is() {
            let waited = began.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "{}: never: {what}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
