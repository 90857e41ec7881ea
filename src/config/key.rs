//! What a key of vpid.toml is: one declaration, from which its reader, the suggestions for keys that are
//! spelt wrong, config.example.toml, the tables of docs/configuration.md, the environment variables and the
//! list of keys that wait for a restart are made.

/// A key, by the name that it has in its table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Usual,
    /// One or more sentences, as Markdown. What [`Kind::bounds`] says is added to them.
    pub doc: &'static str,
    /// What stands behind `=` in config.example.toml; empty: the default.
    pub example: &'static str,
    /// Whether config.example.toml sets it, rather than to have it as a comment.
    pub shown: bool,
    /// Options of `run` and variables that win over the file; of these the first that is set.
    pub variables: &'static [&'static str],
    /// Keys of the file that count no longer when a variable sets this one.
    pub replaces: &'static [&'static str],
    pub in_force: InForce,
}

/// Which values a key can have.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// One of a few words. The first is the default, unless the key says another one.
    Words(&'static [&'static str]),
    /// A whole number, and what it counts.
    Integer(i64, i64, &'static str),
    /// The same; 0 stands for no bound.
    IntegerOrZero(i64, i64, &'static str),
    /// In seconds, perhaps with a fraction. The bounds and what is read are in milliseconds.
    Seconds(i64, i64),
    Truth,
    /// Decimal digits, in quotes or as a number: a text keeps the zeros in front.
    Digits,
    /// A list of texts, such as this one.
    Texts(&'static str),
    /// A number. One that is none (`nan`, `inf`) or beyond 64 bits becomes null, which fits nothing.
    Number,
    /// A number, a text, true or false.
    Scalar,
    /// [`TLS`], or `true` for the last and `false` for the first of them.
    Tls,
    /// Its table's own code reads it.
    Own,
}

pub const TLS: &[&str] = &["off", "encrypt", "verify"];

/// What holds where a key is not set.
#[derive(Debug, Clone, Copy)]
pub enum Usual {
    Nothing,
    Text(&'static str),
    Number(i64),
    /// In words.
    Words(&'static str),
    /// It must be set, always or when these words say.
    Required(&'static str),
}

/// When a changed value is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce {
    /// With the reload.
    AtOnce,
    WithNextStart,
    /// When the Python script is started next.
    WithScript,
}

pub const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default: match kind {
            Kind::Words(words) => Usual::Text(words[0]),
            Kind::Tls => Usual::Text(TLS[0]),
            _ => Usual::Nothing,
        },
        doc,
        example: "",
        shown: false,
        variables: &[],
        replaces: &[],
        in_force: InForce::AtOnce,
    }
}

pub const fn text(name: &'static str, doc: &'static str) -> Key {
    key(name, Kind::Text, doc)
}

impl Key {
    /// [`Key::doc`] with the bounds.
    pub fn described(&self) -> String {
        match self.kind.bounds().as_str() {
            "" => self.doc.to_owned(),
            bounds => format!("{} {bounds}.", self.doc),
        }
    }

    pub const fn default(self, default: Usual) -> Self {
        Self { default, ..self }
    }

    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub const fn shown(self) -> Self {
        let shown = true;
        Self { shown, ..self }
    }

    pub const fn variables(self, variables: &'static [&'static str]) -> Self {
        Self { variables, ..self }
    }

    pub const fn replaces(self, replaces: &'static [&'static str]) -> Self {
        Self { replaces, ..self }
    }

    pub const fn in_force(self, in_force: InForce) -> Self {
        Self { in_force, ..self }
    }
}

impl Kind {
    /// What a value must be, for one of another type.
    pub fn expected(self) -> String {
        match self {
            Self::Text | Self::Words(_) => "text in quotes".into(),
            Self::Integer(..) | Self::IntegerOrZero(..) => "a whole number".into(),
            Self::Seconds(..) | Self::Number => "a number".into(),
            Self::Truth => "true or false".into(),
            Self::Digits => "digits".into(),
            Self::Texts(such_as) => format!("a list of texts, such as [{such_as:?}]"),
            Self::Scalar => "a number, a text, true or false".into(),
            Self::Tls => "\"off\", \"encrypt\" or \"verify\"".into(),
            Self::Own => "a table".into(),
        }
    }

    /// The words that it can be.
    pub fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Words(words) => Some(words),
            Self::Tls => Some(TLS),
            _ => None,
        }
    }

    /// Whether a number is within the bounds.
    pub fn holds(self, number: i64) -> bool {
        match self {
            Self::Integer(min, max, _) | Self::Seconds(min, max) => (min..=max).contains(&number),
            Self::IntegerOrZero(min, max, _) => number == 0 || (min..=max).contains(&number),
            _ => true,
        }
    }

    /// `5 to 5000 milliseconds`; empty where the type is all that there is to say.
    pub fn bounds(self) -> String {
        match self {
            Self::Integer(min, max, "") => format!("{min} to {max}"),
            Self::Integer(min, max, unit) => format!("{min} to {max} {unit}"),
            Self::IntegerOrZero(min, max, unit) => {
                format!("{min} to {max} {unit}, or 0 for no bound")
            }
            Self::Seconds(min, max) => {
                let seconds = |ms: i64| ms as f64 / 1000.0;
                format!("{} to {} seconds", seconds(min), seconds(max))
            }
            _ => String::new(),
        }
    }
}

/// A table of the file, with all its keys.
#[derive(Debug)]
pub struct Declared {
    /// As its owner writes it: `[[server]]`, `[script.NAME]`.
    pub head: &'static str,
    /// In groups that belong together.
    pub keys: &'static [&'static [Key]],
    /// Keys of another table that can stand here, too.
    pub also: &'static [Key],
    /// The comment above it in config.example.toml, and how it begins there.
    pub doc: &'static str,
    pub example: &'static str,
}

impl Declared {
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().copied().flatten().chain(self.also)
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.keys().map(|key| key.name).collect()
    }

    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}
