//! The grammar of expressions: the small part of SQL that scripts may write among their values.
//!
//! It knows literals, columns, arithmetic, `||`, parentheses and the functions listed here; no
//! comparisons, no subselects. What cannot be read is refused, never passed on.

use super::expr::{Expr, Function, Operator, Row};
use super::literals::{Between, Literals, push_escaped};
use super::names::{self, Identifier};
use super::{Column, Error, Param};
use crate::limits::{SQL_EXPRESSION_BYTES_MAX, SQL_EXPRESSION_DEPTH_MAX, SQL_EXPRESSION_NODES_MAX};
use std::borrow::Cow;

/// Where an expression stands, which decides what it may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub table: &'a Identifier,
    /// How its texts and quotes are read.
    pub literals: Literals,
    /// `n.col` is understood.
    pub proposed: bool,
    /// `COUNT(*)` and its like are understood.
    pub aggregates: bool,
}

/// Name, fewest and most arguments. One argument makes MIN and MAX aggregates, so those two
/// are decided when the arguments are known.
const FUNCTIONS: [(&str, usize, usize, Function); 26] = [
    ("COALESCE", 2, 16, Function::Coalesce),
    ("IFNULL", 2, 2, Function::IfNull),
    ("NULLIF", 2, 2, Function::NullIf),
    ("MIN", 1, 16, Function::Minimum),
    ("MAX", 1, 16, Function::Maximum),
    ("LEAST", 2, 16, Function::Least),
    ("GREATEST", 2, 16, Function::Greatest),
    ("ABS", 1, 1, Function::Abs),
    ("ROUND", 1, 2, Function::Round),
    ("UPPER", 1, 1, Function::Upper),
    ("LOWER", 1, 1, Function::Lower),
    ("LENGTH", 1, 1, Function::Length),
    ("CHAR_LENGTH", 1, 1, Function::Length),
    ("TRIM", 1, 1, Function::Trim),
    ("SUBSTR", 2, 3, Function::Substr),
    ("REPLACE", 3, 3, Function::Replace),
    ("CONCAT", 2, 16, Function::Concat),
    ("NOW", 0, 0, Function::CurrentTimestamp),
    ("CURRENT_TIMESTAMP", 0, 0, Function::CurrentTimestamp),
    ("CURRENT_DATE", 0, 0, Function::CurrentDate),
    ("CURRENT_TIME", 0, 0, Function::CurrentTime),
    ("UNIX_TIMESTAMP", 0, 0, Function::UnixTimestamp),
    ("COUNT", 1, 1, Function::Count),
    ("SUM", 1, 1, Function::Sum),
    ("AVG", 1, 1, Function::Average),
    ("TOTAL", 1, 1, Function::Total),
];

/// Words that are values.
const CONSTANTS: [(&str, Param); 3] = [
    ("NULL", Param::Null),
    ("TRUE", Param::Int(1)),
    ("FALSE", Param::Int(0)),
];

/// Functions that need no parentheses.
const TIMES: [(&str, Function); 3] = [
    ("CURRENT_TIMESTAMP", Function::CurrentTimestamp),
    ("CURRENT_DATE", Function::CurrentDate),
    ("CURRENT_TIME", Function::CurrentTime),
];

/// Words of the engines that make one value or one list together with the name behind them.
const BEFORE_A_VALUE: [&str; 13] = [
    "ALL",
    "BINARY",
    "DISTINCT",
    "DISTINCTROW",
    "HIGH_PRIORITY",
    "NOT",
    "SQL_BIG_RESULT",
    "SQL_BUFFER_RESULT",
    "SQL_CACHE",
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "SQL_SMALL_RESULT",
    "STRAIGHT_JOIN",
];

/// Words that, behind an expression, are no name of it: SQLite's comparisons of one word, and those
/// that begin the rest of a select.
const NO_ALIASES: [&str; 17] = [
    "ISNULL", "NOTNULL", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "INTO",
    "COLLATE", "AND", "OR", "IS", "LIKE", "IN", "BETWEEN",
];

/// Reads one whole text as one expression.
pub(super) fn parse(text: &str, scope: Scope<'_>) -> Result<Expr, Error> {
    let mut parser = Parser::new(text, scope)?;
    let expr = parser.sum()?;
    parser.expect_end()?;
    Ok(expr)
}

/// An entry of a select's `columns`.
pub(super) struct Entry {
    /// `DISTINCT` stands before it.
    pub distinct: bool,
    pub columns: Vec<Column>,
}

/// Reads an entry of a select's `columns`: `*` or expressions, each with an optional name,
/// parted by commas, since upstream pasted the entry and so accepted several in one.
pub(super) fn parse_columns(text: &str, scope: Scope<'_>) -> Result<Entry, Error> {
    let mut parser = Parser::new(text, scope)?;
    let start = parser.at;
    let distinct = parser.take_distinct()?;
    if !distinct && parser.at != start {
        parser = Parser::new(text, scope)?;
    }
    let mut columns = Vec::new();
    loop {
        columns.push(parser.column()?);
        if !parser.take_symbol(",")? {
            break;
        }
    }
    parser.expect_end()?;
    Ok(Entry { distinct, columns })
}

/// Reads a column that is to be set: its name, where `t.` or the table's name may stand before it.
pub(super) fn parse_target(text: &str, scope: Scope<'_>) -> Result<Identifier, Error> {
    let read = || {
        let mut parser = Parser::new(text, scope)?;
        let mut name = parser.target_name()?;
        if parser.take_symbol(".")? {
            if name != "t" && !name.eq_ignore_ascii_case(scope.table.as_str()) {
                return parser.refuse();
            }
            name = parser.target_name()?;
        }
        parser.expect_end()?;
        Ok(name)
    };
    let name = read().map_err(|_| names::no_column(text))?;
    Identifier::quoted(&name)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    scope: Scope<'a>,
    at: usize,
    token: Token<'a>,
    depth: usize,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, scope: Scope<'a>) -> Result<Self, Error> {
        if text.len() > SQL_EXPRESSION_BYTES_MAX {
            return Err(unexpected("an expression that is too long", 0));
        }
        let mut lexer = Lexer::new(text, scope.literals);
        let (at, token) = lexer.next()?;
        Ok(Self {
            lexer,
            scope,
            at,
            token,
            depth: 0,
            nodes: 0,
        })
    }

    fn advance(&mut self) -> Result<Token<'a>, Error> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn refuse<T>(&self) -> Result<T, Error> {
        Err(unexpected(&self.token.shown(), self.at))
    }

    fn take_symbol(&mut self, symbol: &str) -> Result<bool, Error> {
        let found = matches!(self.token, Token::Symbol(here) if here == symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Error> {
        if self.take_symbol(symbol)? {
            Ok(())
        } else {
            self.refuse()
        }
    }

    fn expect_end(&self) -> Result<(), Error> {
        if self.token == Token::End {
            Ok(())
        } else {
            self.refuse()
        }
    }

    /// Every part is counted, since a chain of operators makes a tree as deep as it is long.
    fn count(&mut self) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > SQL_EXPRESSION_NODES_MAX {
            return Err(unexpected("an expression of too many parts", self.at));
        }
        Ok(())
    }

    fn column(&mut self) -> Result<Column, Error> {
        if self.take_symbol("*")? {
            return Ok(Column::All);
        }
        let first = match self.token {
            Token::Name(word) => word,
            _ => "",
        };
        let expr = self.sum()?;
        let alias = match self.token {
            Token::Name(word) if word.eq_ignore_ascii_case("AS") => {
                self.advance()?;
                let named_at = self.at;
                Some(match self.advance()? {
                    Token::Name(name) => Identifier::new(name)?,
                    Token::Quoted(name) | Token::Word(name) | Token::Text(name) => {
                        Identifier::quoted(&name)?
                    }
                    other => return Err(unexpected(&other.shown(), named_at)),
                })
            }
            Token::Name(_) | Token::Quoted(_) | Token::Word(_) => {
                Some(self.alias_alone(first, &expr)?)
            }
            _ => None,
        };
        Ok(Column::Value { expr, alias })
    }

    /// A name behind an expression, without AS, where it can be nothing else: `x '41'` and `NOT n`
    /// are one value for an engine.
    fn alias_alone(&mut self, first: &str, expr: &Expr) -> Result<Identifier, Error> {
        let is_in = |words: &[&str], word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word));
        let is_value =
            matches!(expr, Expr::Column(Row::Unqualified, _)) && is_in(&BEFORE_A_VALUE, first);
        if is_value || self.lexer.may_be_joined() {
            return self.refuse();
        }
        match self.token {
            Token::Name(word) if is_in(&NO_ALIASES, word) => return self.refuse(),
            _ => {}
        }
        match self.advance()? {
            Token::Name(name) => Identifier::new(name),
            Token::Quoted(name) | Token::Word(name) => Identifier::quoted(&name),
            other => Err(unexpected(&other.shown(), self.at)),
        }
    }

    /// Whether the word of that name begins what is read, and is no column.
    fn take_distinct(&mut self) -> Result<bool, Error> {
        let is_it = |word: &str| word.eq_ignore_ascii_case("DISTINCT");
        if !matches!(self.token, Token::Name(word) if is_it(word)) || self.lexer.may_be_joined() {
            return Ok(false);
        }
        self.advance()?;
        Ok(match self.token {
            Token::End | Token::Symbol("." | ",") => false,
            Token::Name(word) => !word.eq_ignore_ascii_case("AS"),
            _ => true,
        })
    }

    fn sum(&mut self) -> Result<Expr, Error> {
        self.chain(
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            Self::product,
        )
    }

    fn product(&mut self) -> Result<Expr, Error> {
        const OPERATORS: [(&str, Operator); 3] = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("%", Operator::Remainder),
        ];
        self.chain(&OPERATORS, Self::concatenation)
    }

    fn concatenation(&mut self) -> Result<Expr, Error> {
        self.chain(&[("||", Operator::Concatenate)], Self::signed)
    }

    /// `operand (operator operand)*`, grouped from the left.
    fn chain(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Expr, Error>,
    ) -> Result<Expr, Error> {
        let mut left = operand(self)?;
        loop {
            let Token::Symbol(symbol) = self.token else {
                return Ok(left);
            };
            let Some((_, operator)) = operators.iter().find(|(name, _)| *name == symbol) else {
                return Ok(left);
            };
            self.count()?;
            self.advance()?;
            let right = operand(self)?;
            left = Expr::Binary(Box::new(left), *operator, Box::new(right));
        }
    }

    /// Every way down the grammar comes through here, so depth is bounded here alone.
    fn signed(&mut self) -> Result<Expr, Error> {
        self.depth += 1;
        if self.depth > SQL_EXPRESSION_DEPTH_MAX {
            return Err(unexpected("an expression of too many levels", self.at));
        }
        self.count()?;
        let expr = if self.take_symbol("-")? {
            match self.token {
                Token::Number(digits) => {
                    let literal = self.number(digits, true)?;
                    self.advance()?;
                    literal
                }
                _ => Expr::Negative(Box::new(self.signed()?)),
            }
        } else if self.take_symbol("+")? {
            self.signed()?
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        match self.token {
            Token::Number(digits) => {
                let literal = self.number(digits, false)?;
                self.advance()?;
                Ok(literal)
            }
            Token::Text(_) => self.text(),
            Token::Quoted(_) | Token::Word(_) => self.quoted(),
            Token::Symbol("(") => {
                self.advance()?;
                let expr = self.sum()?;
                self.expect_symbol(")")?;
                Ok(expr)
            }
            Token::Name(name) => self.named(name),
            _ => self.refuse(),
        }
    }

    /// Whole numbers beyond 64 bits become floats, as SQLite reads them; without an exponent, MySQL
    /// reads them and those with a point exactly.
    fn number(&self, digits: &str, negative: bool) -> Result<Expr, Error> {
        let signed = match negative {
            true => Cow::Owned(format!("-{digits}")),
            false => Cow::Borrowed(digits),
        };
        if let Ok(whole) = signed.parse::<i64>() {
            return Ok(Expr::Literal(Param::Int(whole)));
        }
        if self.scope.literals.is_mysql() && is_plain(digits) {
            return decimal(&signed).ok_or_else(|| {
                unexpected(
                    "a number that no DECIMAL of 65 digits, 30 of them behind the point, holds",
                    self.at,
                )
            });
        }
        match signed.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Expr::Literal(Param::Float(value))),
            _ => self.refuse(),
        }
    }

    /// A text; in MySQL texts beside each other are one.
    fn text(&mut self) -> Result<Expr, Error> {
        let mut whole = String::new();
        while let Token::Text(part) = &mut self.token {
            let part = std::mem::take(part);
            match whole.is_empty() {
                true => whole = part.into_owned(),
                false => whole.push_str(&part),
            }
            self.advance()?;
            if !self.scope.literals.is_mysql() {
                break;
            }
        }
        Ok(Expr::Literal(Param::Text(whole)))
    }

    /// A name in quotes: a column, or what stands before one.
    fn quoted(&mut self) -> Result<Expr, Error> {
        let named_at = self.at;
        let token = self.advance()?;
        let is_word = matches!(token, Token::Word(_));
        let (Token::Quoted(name) | Token::Word(name)) = token else {
            return self.refuse();
        };
        match self.token {
            Token::Symbol(".") => return self.qualified(&name, named_at),
            Token::Symbol("(") => return self.refuse(),
            _ => {}
        }
        Ok(match Identifier::quoted(&name) {
            Ok(name) if is_word => Expr::Word(name),
            Ok(name) => Expr::Column(Row::Unqualified, name),
            // No column is called so, and what is none is a text.
            Err(_) if is_word => Expr::Literal(Param::Text(name.into_owned())),
            Err(error) => return Err(error),
        })
    }

    /// A column's name where only that can stand: SQLite takes a text for one there.
    fn target_name(&mut self) -> Result<Cow<'a, str>, Error> {
        match self.advance()? {
            Token::Name(name) => Ok(Cow::Borrowed(name)),
            Token::Quoted(name) | Token::Word(name) => Ok(name),
            Token::Text(name) if self.scope.literals == Literals::Sqlite => Ok(name),
            _ => self.refuse(),
        }
    }

    /// The column behind the point at which the parser stands.
    fn behind_point(&mut self) -> Result<Identifier, Error> {
        self.advance()?;
        let found_at = self.at;
        match self.advance()? {
            Token::Name(name) => Identifier::new(name),
            Token::Quoted(name) | Token::Word(name) => Identifier::quoted(&name),
            other => Err(unexpected(&other.shown(), found_at)),
        }
    }

    fn named(&mut self, name: &'a str) -> Result<Expr, Error> {
        let named_at = self.at;
        self.advance()?;
        match self.token {
            Token::Symbol("(") => return self.function(name, named_at),
            Token::Symbol(".") => return self.qualified(name, named_at),
            _ => {}
        }
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if let Some((_, constant)) = CONSTANTS.iter().find(|(word, _)| is(word)) {
            return Ok(Expr::Literal(constant.clone()));
        }
        if let Some((_, time)) = TIMES.iter().find(|(word, _)| is(word)) {
            return Ok(Expr::Call(*time, Vec::new()));
        }
        Ok(Expr::Column(Row::Unqualified, Identifier::new(name)?))
    }

    fn qualified(&mut self, qualifier: &str, named_at: usize) -> Result<Expr, Error> {
        let row = match qualifier {
            "t" => Row::Standing,
            "n" if self.scope.proposed => Row::Proposed,
            // What upstream's server makes of `n.`, so its scripts may write that, too.
            "new" if self.scope.proposed && self.scope.literals.is_stock() => Row::Proposed,
            // The engines mind the case of columns' tables less than scripts do.
            table if table.eq_ignore_ascii_case(self.scope.table.as_str()) => Row::Standing,
            _ => return Err(unexpected(&format!("`{qualifier}.`"), named_at)),
        };
        Ok(Expr::Column(row, self.behind_point()?))
    }

    /// `VALUES(column)` and `DEFAULT(column)` of MySQL, where they mean something.
    fn of_column(&mut self, name: &str) -> Result<Option<Expr>, Error> {
        let is = |word: &str| self.scope.literals.is_mysql() && name.eq_ignore_ascii_case(word);
        let values = is("VALUES") && self.scope.proposed;
        if !values && !is("DEFAULT") {
            return Ok(None);
        }
        let column = self.behind_point()?;
        self.expect_symbol(")")?;
        Ok(Some(match values {
            true => Expr::Column(Row::Proposed, column),
            false => Expr::Default(Some(column)),
        }))
    }

    fn function(&mut self, name: &str, named_at: usize) -> Result<Expr, Error> {
        if let Some(expr) = self.of_column(name)? {
            return Ok(expr);
        }
        let known = FUNCTIONS
            .iter()
            .find(|entry| name.eq_ignore_ascii_case(entry.0));
        let Some(&(_, fewest, most, function)) = known else {
            return Err(unexpected(&format!("function `{name}`"), named_at));
        };
        self.expect_symbol("(")?;
        if function == Function::Count && self.scope.aggregates && self.take_symbol("*")? {
            self.expect_symbol(")")?;
            return Ok(Expr::CountAll);
        }
        let counts_once = function == Function::Count && self.take_distinct()?;
        let mut arguments = Vec::new();
        if !self.take_symbol(")")? {
            loop {
                arguments.push(self.sum()?);
                if !self.take_symbol(",")? {
                    break;
                }
            }
            self.expect_symbol(")")?;
        }
        let function = match (function, arguments.len()) {
            (Function::Minimum, 2..) => Function::Least,
            (Function::Maximum, 2..) => Function::Greatest,
            (Function::Count, 1) if counts_once => Function::CountDistinct,
            // MySQL's LENGTH counts bytes; our own scripts' counts characters everywhere.
            (Function::Length, 1)
                if self.scope.literals.is_mysql() && name.eq_ignore_ascii_case("LENGTH") =>
            {
                Function::ByteLength
            }
            _ => function,
        };
        let fits = (fewest..=most).contains(&arguments.len());
        if !fits || (function.is_aggregate() && !self.scope.aggregates) {
            let found = format!("function `{name}` with {} arguments here", arguments.len());
            return Err(unexpected(&found, named_at));
        }
        Ok(Expr::Call(function, arguments))
    }
}

/// Whether the number has no exponent.
fn is_plain(digits: &str) -> bool {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A number without an exponent as MySQL's DECIMAL; None where that could not hold it.
fn decimal(signed: &str) -> Option<Expr> {
    /// What MySQL and MariaDB both hold.
    const DIGITS_MAX: usize = 65;
    const SCALE_MAX: usize = 30;
    let digits = signed.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fits = whole.len() + fraction.len() <= DIGITS_MAX && fraction.len() <= SCALE_MAX;
    fits.then(|| Expr::Decimal {
        digits: Param::Text(signed.to_owned()),
        scale: fraction.len(),
    })
}

/// One word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Number(&'a str),
    /// What stood between the quotes of a text, as its engine reads it.
    Text(Cow<'a, str>),
    /// What stood between quotes of names.
    Quoted(Cow<'a, str>),
    /// In double quotes, where that is a column or a text.
    Word(Cow<'a, str>),
    Symbol(&'static str),
    End,
}

impl Token<'_> {
    /// The word as an error shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(text) | Self::Number(text) => format!("`{text}`"),
            Self::Quoted(text) | Self::Word(text) => format!("the name {text:?}"),
            Self::Text(_) => "a text".to_owned(),
            Self::Symbol(symbol) => format!("`{symbol}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer symbols first: the first that fits is taken.
const SYMBOLS: [&str; 10] = ["||", "+", "-", "*", "/", "%", "(", ")", ",", "."];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    literals: Literals,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, literals: Literals) -> Self {
        Self {
            text,
            at: 0,
            literals,
        }
    }

    /// Whether upstream would have joined what stands apart here, by what it removes.
    pub(super) fn may_be_joined(&self) -> bool {
        self.text.contains(|sign| self.literals.removes(sign))
    }

    /// The next word and the byte at which it starts.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), Error> {
        let rest = &self.text[self.at..];
        let blank = |sign| matches!(sign, ' ' | '\t' | '\r' | '\n') || self.literals.removes(sign);
        self.at += rest.len() - rest.trim_start_matches(blank).len();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        let token = if names::begins_name(first) {
            let length = rest
                .find(|sign| !names::is_in_name(sign))
                .unwrap_or(rest.len());
            self.at += length;
            Token::Name(&rest[..length])
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            self.number(rest)?
        } else if let Some(between) = self.literals.between(first) {
            self.quoted(rest, first, between)?
        } else if rest.starts_with("--") || rest.starts_with("/*") {
            return Err(unexpected("a comment", start));
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            Token::Symbol(symbol)
        } else {
            return Err(unexpected(&format!("{first:?}"), start));
        };
        Ok((start, token))
    }

    /// `12`, `1.5`, `.5`, `5.`, `1e-3`.
    fn number(&mut self, rest: &'a str) -> Result<Token<'a>, Error> {
        let bytes = rest.as_bytes();
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') {
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits((length + 1 + signed).min(bytes.len()));
            if exponent > 0 {
                length += 1 + signed + exponent;
            }
        }
        // `12abc`, `1.2.3` and `0x10` are slips that must not be read as two words.
        let slip = |sign| names::is_in_name(sign) || sign == '.';
        if rest[length..].starts_with(slip) {
            return Err(unexpected("a malformed number", self.at));
        }
        self.at += length;
        Ok(Token::Number(&rest[..length]))
    }

    /// What stands between the quotes at which `rest` begins. A doubled quote is one of it, but not
    /// in brackets.
    fn quoted(&mut self, rest: &'a str, quote: char, between: Between) -> Result<Token<'a>, Error> {
        let escapes = between == Between::Text && self.literals.escapes();
        let end = if quote == '[' { ']' } else { quote };
        let mut content = Cow::Borrowed("");
        let mut left = &rest[1..];
        while let Some(at) = left.find(|sign| sign == end || escapes && sign == '\\') {
            content += &left[..at];
            let mut signs = left[at..].chars();
            if signs.next() == Some('\\') {
                // A text that ends here is not closed.
                if let Some(escaped) = signs.next() {
                    push_escaped(content.to_mut(), escaped);
                }
            } else if quote != '[' && signs.as_str().starts_with(end) {
                signs.next();
                content.to_mut().push(end);
            } else {
                self.at += rest.len() - signs.as_str().len();
                return Ok(match between {
                    Between::Text => Token::Text(content),
                    Between::Name => Token::Quoted(content),
                    Between::Either => Token::Word(content),
                });
            }
            left = signs.as_str();
        }
        let what = match between {
            Between::Name => "a name without its closing quote",
            _ => "a text without its closing quote",
        };
        Err(unexpected(what, self.at))
    }
}

/// The one way in which an expression is refused: what was found, and where.
pub(super) fn unexpected(found: &str, at: usize) -> Error {
    Error::Value(format!(
        "expression: {found} at byte {at} is not understood"
    ))
}
