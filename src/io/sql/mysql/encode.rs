//! Values of MySQL as the JSON of an answer, from both of its protocols: prepared statements bring
//! them in their types, others as text.

use super::super::encode::push_blob;
use crate::protocol::response_text::{
    Decoder, push_bool, push_float, push_int, push_null, push_text,
};
use mysql::consts::ColumnType;
use mysql::{Column, Row, Value};
use std::fmt::Write;

pub(super) fn push_array(out: &mut String, row: &Row, decoder: Decoder) {
    out.push('[');
    for (at, column) in row.columns_ref().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_cell(out, column, row.as_ref(at), decoder);
    }
    out.push(']');
}

/// A row as an object by the names of its columns.
pub(super) fn push_object(out: &mut String, row: &Row, decoder: Decoder) {
    out.push('{');
    for (at, column) in row.columns_ref().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, &column.name_str(), decoder);
        out.push(':');
        push_cell(out, column, row.as_ref(at), decoder);
    }
    out.push('}');
}

/// Its first value.
pub(super) fn push_first(out: &mut String, row: &Row, decoder: Decoder) {
    match row.columns_ref().first() {
        Some(column) => push_cell(out, column, row.as_ref(0), decoder),
        None => push_null(out),
    }
}

/// The longest of its values, in bytes.
pub(super) fn longest(row: &Row) -> usize {
    let lengths = (0..row.len()).filter_map(|at| match row.as_ref(at) {
        Some(Value::Bytes(bytes)) => Some(bytes.len()),
        _ => None,
    });
    lengths.max().unwrap_or(0)
}

fn push_cell(out: &mut String, column: &Column, value: Option<&Value>, decoder: Decoder) {
    match value {
        None | Some(Value::NULL) => push_null(out),
        Some(Value::Int(value)) => push_int(out, *value, decoder),
        Some(Value::UInt(value)) => push_unsigned(out, *value, decoder),
        Some(Value::Float(value)) => push_single(out, *value, decoder),
        Some(Value::Double(value)) => push_float(out, *value, decoder),
        Some(&Value::Date(year, month, day, hour, minute, second, micros)) => {
            let date = Date {
                date: (u32::from(year), u32::from(month), u32::from(day)),
                time: (u32::from(hour), u32::from(minute), u32::from(second)),
                micros,
            };
            date.push(out, column.column_type(), decoder);
        }
        Some(&Value::Time(negative, days, hours, minutes, seconds, micros)) => {
            let hours = days * 24 + u32::from(hours);
            let (minutes, seconds) = (u32::from(minutes), u32::from(seconds));
            push_time(out, negative, (hours, minutes, seconds), micros, decoder);
        }
        Some(Value::Bytes(bytes)) => push_bytes(out, column, bytes, decoder),
    }
}

/// What has no type of its own in the protocol.
fn push_bytes(out: &mut String, column: &Column, bytes: &[u8], decoder: Decoder) {
    use ColumnType as T;
    /// The character set of what is no text.
    const BINARY: u16 = 63;
    let text = String::from_utf8_lossy(bytes);
    let parsed = match column.column_type() {
        T::MYSQL_TYPE_NEWDECIMAL | T::MYSQL_TYPE_DECIMAL => {
            return push_decimal(out, &text, decoder);
        }
        T::MYSQL_TYPE_BIT => return push_bits(out, bytes, column.column_length(), decoder),
        T::MYSQL_TYPE_TINY
        | T::MYSQL_TYPE_SHORT
        | T::MYSQL_TYPE_INT24
        | T::MYSQL_TYPE_LONG
        | T::MYSQL_TYPE_LONGLONG
        | T::MYSQL_TYPE_YEAR => match text.parse::<i64>() {
            Ok(value) => return push_int(out, value, decoder),
            Err(_) => text
                .parse()
                .ok()
                .map(|value| push_unsigned(out, value, decoder)),
        },
        T::MYSQL_TYPE_FLOAT => text
            .parse()
            .ok()
            .map(|value| push_single(out, value, decoder)),
        T::MYSQL_TYPE_DOUBLE => text
            .parse()
            .ok()
            .map(|value| push_float(out, value, decoder)),
        T::MYSQL_TYPE_DATE
        | T::MYSQL_TYPE_NEWDATE
        | T::MYSQL_TYPE_DATETIME
        | T::MYSQL_TYPE_TIMESTAMP => {
            Date::read(&text).map(|date| date.push(out, column.column_type(), decoder))
        }
        T::MYSQL_TYPE_TIME => read_time(&text)
            .map(|(negative, time, micros)| push_time(out, negative, time, micros, decoder)),
        T::MYSQL_TYPE_JSON => None,
        _ if column.character_set() == BINARY => return push_blob(out, bytes, decoder),
        _ => None,
    };
    if parsed.is_none() {
        push_text(out, &text, decoder);
    }
}

fn push_unsigned(out: &mut String, value: u64, decoder: Decoder) {
    match i64::try_from(value) {
        Ok(value) => push_int(out, value, decoder),
        // Still a whole number, and not to be rounded.
        Err(_) if decoder == Decoder::Exact => out.push_str(&value.to_string()),
        Err(_) => push_text(out, &value.to_string(), decoder),
    }
}

/// The shortest number that is this float: 0.1 and not 0.10000000149011612.
fn push_single(out: &mut String, value: f32, decoder: Decoder) {
    push_float(out, value.to_string().parse().unwrap_or(f64::NAN), decoder);
}

fn push_decimal(out: &mut String, text: &str, decoder: Decoder) {
    /// A double holds every decimal number of so many digits.
    const EXACT_DIGITS: usize = 15;
    if !text.contains('.') {
        return match text.parse() {
            Ok(value) => push_int(out, value, decoder),
            Err(_) => push_text(out, text, decoder),
        };
    }
    let digits = text.trim_end_matches('0').replace(['-', '.'], "");
    match text.parse() {
        Ok(value) if digits.trim_start_matches('0').len() <= EXACT_DIGITS => {
            push_float(out, value, decoder)
        }
        _ => push_text(out, text, decoder),
    }
}

/// A single bit is yes or no, several are a number.
fn push_bits(out: &mut String, bytes: &[u8], bits: u32, decoder: Decoder) {
    let value = bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    match bits {
        1 => push_bool(out, value != 0),
        _ => push_unsigned(out, value, decoder),
    }
}

struct Date {
    date: (u32, u32, u32),
    time: (u32, u32, u32),
    micros: u32,
}

impl Date {
    fn read(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ').unwrap_or((text, "0:0:0"));
        let (_, time, micros) = read_time(time)?;
        Some(Self {
            date: triple(date, '-')?,
            time,
            micros,
        })
    }

    /// Null where it is no day of any calendar; for the stock client as MySQL writes it then, which
    /// is what Python's drivers pass on.
    fn push(&self, out: &mut String, kind: ColumnType, decoder: Decoder) {
        let (year, month, day) = self.date;
        let is_day = month != 0 && day != 0;
        if !is_day && decoder != Decoder::Stock {
            return push_null(out);
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "\"{year:04}-{month:02}-{day:02}");
        if !matches!(
            kind,
            ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE
        ) {
            let (hour, minute, second) = self.time;
            let between = if is_day { 'T' } else { ' ' };
            let _ = write!(out, "{between}{hour:02}:{minute:02}:{second:02}");
            push_micros(out, self.micros);
        }
        out.push('"');
    }
}

fn push_time(
    out: &mut String,
    negative: bool,
    time: (u32, u32, u32),
    micros: u32,
    decoder: Decoder,
) {
    if decoder == Decoder::Stock {
        return push_span(out, negative, time, micros);
    }
    let sign = if negative { "-" } else { "" };
    let (hours, minutes, seconds) = time;
    let _ = write!(out, "\"{sign}{hours:02}:{minutes:02}:{seconds:02}");
    push_micros(out, micros);
    out.push('"');
}

/// As Python writes a span of time, which is what `vpi.py` made of a time: whole days first, of
/// which there can be less than none, then hours without a zero before them.
fn push_span(out: &mut String, negative: bool, time: (u32, u32, u32), micros: u32) {
    const DAY: i64 = 86_400_000_000;
    let (hours, minutes, seconds) = time;
    let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
    let span = seconds * 1_000_000 + i64::from(micros);
    let span = if negative { -span } else { span };
    let (days, rest) = (span.div_euclid(DAY), span.rem_euclid(DAY));
    let seconds = rest / 1_000_000;
    out.push('"');
    match days {
        0 => {}
        1 | -1 => _ = write!(out, "{days} day, "),
        _ => _ = write!(out, "{days} days, "),
    }
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let _ = write!(out, "{}:{:02}:{seconds:02}", minutes / 60, minutes % 60);
    push_micros(out, u32::try_from(rest % 1_000_000).unwrap_or(0));
    out.push('"');
}

fn push_micros(out: &mut String, micros: u32) {
    if micros > 0 {
        let _ = write!(out, ".{micros:06}");
    }
}

fn read_time(text: &str) -> Option<(bool, (u32, u32, u32), u32)> {
    let positive = text.strip_prefix('-');
    let (time, fraction) = match positive.unwrap_or(text).split_once('.') {
        Some((time, fraction)) => (time, format!("{fraction:0<6}")),
        None => (positive.unwrap_or(text), "0".to_owned()),
    };
    let micros = fraction.get(..6).unwrap_or(&fraction).parse().ok()?;
    Some((positive.is_some(), triple(time, ':')?, micros))
}

fn triple(text: &str, separator: char) -> Option<(u32, u32, u32)> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}
