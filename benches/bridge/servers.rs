//! The servers that are compared, each started in a folder of its own that is gone afterwards.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;
use vpid::game_side::bench::{CREATE, FILL, PYTHON};

use super::mariadb;
use super::options::{Settings, Stock};

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Stock,
    Bare {
        /// No other program can use the database meanwhile.
        alone: bool,
    },
    /// With `durability = "full"` or "normal".
    Vpid {
        full: bool,
    },
    /// With the stock server's own file of functions, which the script host runs.
    VpidPython,
    /// On a MariaDB server by TCP, as it is where aiomysql speaks to it.
    StockMariadb,
    VpidMariadb {
        /// By its socket instead.
        socket: bool,
    },
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Stock | Kind::StockMariadb => "stock",
            Kind::Bare { .. } => "bare loop",
            Kind::Vpid { .. } | Kind::VpidPython | Kind::VpidMariadb { .. } => "vpid",
        }
    }

    pub fn is_stock(self) -> bool {
        matches!(self, Kind::Stock | Kind::StockMariadb)
    }

    /// Whether the stock server's checkout is needed.
    pub fn needs_stock(self) -> bool {
        self.is_stock() || self == Kind::VpidPython
    }

    fn is_on_mariadb(self) -> bool {
        matches!(self, Kind::StockMariadb | Kind::VpidMariadb { .. })
    }
}

const STOCK_FILES: [&str; 3] = ["vpi.py", "vpi_config.py", "vpi_interfaces.py"];

/// A scriptdata folder, a database with the bench's table, and room for a server's own files.
pub struct Place {
    /// Databases, state, logs, configuration.
    home: TempDir,
    scriptdata: TempDir,
    database: PathBuf,
    /// The same on MariaDB, by its name.
    schema: String,
    pub secret: String,
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Place {
    /// `unrelated` files of others lie in the scriptdata folder.
    pub fn new(settings: &Settings, kind: Kind, unrelated: usize) -> io::Result<Self> {
        let home = TempDir::with_prefix_in("vpid-bench-", &settings.disk)?;
        let scriptdata = TempDir::with_prefix_in("vpid-bench-", &settings.dir)?;
        let database = home.path().join("bench.db");
        for number in 0..unrelated {
            fs::write(scriptdata.path().join(format!("other_{number}.txt")), "x")?;
        }
        let schema = match kind.is_on_mariadb() {
            true => mariadb::fresh_database()?,
            false => {
                let connection = Connection::open(&database).map_err(io::Error::other)?;
                for statement in [CREATE, FILL] {
                    let made = connection.execute(statement, []);
                    made.map_err(io::Error::other)?;
                }
                String::new()
            }
        };
        let mut random = vpid::io::random::bytes();
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
        let secret = (0..128).map(|_| char::from(letters[usize::from(random() % 32)]));
        Ok(Self {
            secret: secret.collect(),
            home,
            scriptdata,
            database,
            schema,
        })
    }

    pub fn scriptdata(&self) -> &Path {
        self.scriptdata.path()
    }

    /// A connection to the database of this kind of server, past it.
    pub fn database(&self, kind: Kind) -> io::Result<super::answers::Database> {
        use super::answers::Database;
        Ok(match kind.is_on_mariadb() {
            true => Database::Mariadb(Box::new(mariadb::connection(&self.schema)?)),
            false => Database::sqlite(&self.database),
        })
    }

    pub fn start(&self, kind: Kind, stock: Option<&Stock>) -> io::Result<Server> {
        let mut command = match kind {
            Kind::Stock | Kind::StockMariadb => {
                let stock = stock.expect("planned only where it was named");
                self.stock(stock, kind.is_on_mariadb())?
            }
            Kind::Bare { alone } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(if alone { "bare-alone" } else { "bare" });
                command.arg(self.scriptdata()).arg(&self.database);
                command
            }
            Kind::Vpid { full } => {
                let durability = if full { "full" } else { "normal" };
                self.vpid(&format!(
                    "type = \"sqlite\"\npath = {:?}\ndurability = {durability:?}\n",
                    self.database,
                ))?
            }
            Kind::VpidPython => {
                let stock = stock.expect("planned only where it was named");
                let file = self.home.path().join("vpi_interfaces.py");
                functions(stock, &file)?;
                let database = format!("type = \"sqlite\"\npath = {:?}\n", self.database);
                let scripts = format!(
                    "[scripts]\nvpi_interfaces = {file:?}\npython = {:?}\n",
                    stock.python
                );
                self.vpid(&(database + &scripts))?
            }
            Kind::VpidMariadb { socket } => self.vpid(&mariadb::settings(&self.schema, socket))?,
        };
        let log = self.home.path().join("log");
        let output = File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Server { child, log })
    }

    fn vpid(&self, database: &str) -> io::Result<Command> {
        let config = self.home.path().join("vpid.toml");
        let text = format!(
            "state_dir = {:?}\n[[server]]\nscriptdata = {:?}\nlegacy_secret = {:?}\n\
             [permissions]\nraw_sql = [\"vpi.nut\"]\n[database]\n{database}",
            self.home.path().join("state"),
            self.scriptdata(),
            self.secret,
        );
        fs::write(&config, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpid"));
        command.env_clear().arg("run").arg("--config").arg(config);
        Ok(command)
    }

    /// Copies the stock server and sets what its owner would set, in the copy.
    fn stock(&self, stock: &Stock, on_mariadb: bool) -> io::Result<Command> {
        let home = self.home.path().join("stock");
        fs::create_dir_all(&home)?;
        for name in STOCK_FILES {
            fs::copy(stock.checkout.join(name), home.join(name))?;
        }
        functions(stock, &home.join("vpi_interfaces.py"))?;
        let config = home.join("vpi_config.py");
        let settings = [
            ("SECRET = r\"", format!("SECRET = r{:?}", self.secret)),
            ("DB_SUPPORT = ", "DB_SUPPORT = True".to_string()),
            (
                "DB_TYPE = \"",
                format!(
                    "DB_TYPE = {:?}",
                    if on_mariadb { "mysql" } else { "sqlite" }
                ),
            ),
            ("DB_LITE = \"", format!("DB_LITE = {:?}", self.database)),
        ];
        let mut text = fs::read_to_string(&config)?;
        for (begin, setting) in settings {
            text = set(&text, begin, &setting).ok_or_else(|| {
                let file = stock.checkout.join("vpi_config.py");
                io::Error::other(format!("{}: no line begins with {begin}", file.display()))
            })?;
        }
        fs::write(&config, text)?;
        let mut command = Command::new(&stock.python);
        command
            .current_dir(&home)
            .env("VPI_SCRIPTDATA_DIR", self.scriptdata())
            .arg("vpi.py");
        if on_mariadb {
            command.envs(mariadb::variables(&self.schema));
        }
        Ok(command)
    }
}

/// The stock server's functions, and one more.
fn functions(stock: &Stock, to: &Path) -> io::Result<()> {
    let text = fs::read_to_string(stock.checkout.join("vpi_interfaces.py"))?;
    fs::write(to, text + PYTHON)
}

/// Replaces the first line that begins like this, behind its indentation.
fn set(text: &str, begin: &str, setting: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(begin))?;
    let indentation = &line[..line.len() - line.trim_start().len()];
    Some(text.replacen(line, &format!("{indentation}{setting}"), 1))
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it said, for when it does not answer.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
