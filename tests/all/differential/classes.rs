//! The differences from the stock server that are meant, each with the line of
//! docs/moving-from-vpi.md that tells owners of it. What fits no class here is a fault.

use serde_json::Value;

use super::compare::Difference;
use super::model::{Engine, Reply};

pub struct Class {
    pub name: &'static str,
    /// Stands in docs/moving-from-vpi.md.
    pub line: &'static str,
    fits: fn(&Difference) -> bool,
}

/// The first that fits is meant, so the narrow ones come first.
pub const ALL: [Class; 22] = [
    Class {
        name: "columns of an insert",
        line: "| `columns` of an insert |",
        fits: |d| d.inserts() && d.has_list("columns"),
    },
    Class {
        name: "insert-or-update",
        line: "| insert-or-update on SQLite",
        fits: |d| d.stock_fails() && d.case.function == "VPI_DB_UserInsertOrUpdate",
    },
    Class {
        name: "half a filter of an update",
        line: "| an update with half a filter",
        fits: |d| d.refused("half a filter") && d.case.function == "VPI_DB_UserUpdate",
    },
    Class {
        name: "half a filter of a delete",
        line: "| a delete with a null filter value",
        fits: |d| d.refused("half a filter") && d.case.function == "VPI_DB_UserDelete",
    },
    Class {
        name: "filter of another type",
        line: "| `filter_value` that is an array or a table",
        fits: |d| {
            d.refused("filter_")
                && ["filter_column", "filter_op", "filter_value"]
                    .iter()
                    .any(|name| d.is_no_scalar(name))
        },
    },
    Class {
        name: "filter_op that is none",
        line: "| `filter_op` | anything |",
        fits: |d| d.refused("is not a comparison"),
    },
    Class {
        name: "NULL as a text",
        line: "| the same with the text `\"NULL\"` |",
        fits: |d| {
            d.operator().starts_with("IS")
                && d.filter_text()
                    .is_some_and(|text| text.trim().eq_ignore_ascii_case("NULL"))
        },
    },
    Class {
        name: "IS with null",
        line: "| `filter_op` `IS` or `IS NOT` with null |",
        fits: |d| d.operator().starts_with("IS") && d.filter_value().is_none_or(Value::is_null),
    },
    Class {
        name: "signs that leave a text",
        line: "| `;`, NUL and the character 26 in a text |",
        fits: |d| {
            d.texts()
                .iter()
                .any(|text| text.contains([';', '\u{1a}', '\0']))
        },
    },
    Class {
        name: "an apostrophe in a filter",
        line: "| an apostrophe in `filter_value` |",
        fits: |d| {
            d.filter_text().is_some_and(|text| text.contains('\''))
                && (d.stock_fails() || d.filter_is_sql())
        },
    },
    Class {
        name: "a backslash at the end of a filter",
        line: "| a backslash at the end of `filter_value`, on MySQL |",
        fits: |d| {
            d.stock_fails()
                && d.is_mysql()
                && d.filter_text().is_some_and(|text| text.ends_with('\\'))
        },
    },
    Class {
        name: "null in values",
        line: "| `null` in `values` |",
        fits: |d| d.stock_fails() && d.values_hold(Value::is_null),
    },
    Class {
        name: "rows that were found",
        line: "| an update on MySQL |",
        fits: |d| {
            d.is_mysql() && d.case.function == "VPI_DB_UserUpdate" && d.same_rows() && d.counts()
        },
    },
    Class {
        name: "values that name each other's columns",
        line: "| several values of one update that name each other's columns, on MySQL |",
        fits: |d| {
            let updates = d.case.function == "VPI_DB_UserUpdate";
            d.is_mysql() && updates && d.values_name_each_other() && !d.stock_fails()
        },
    },
    Class {
        name: "texts joined",
        line: "| `\\|\\|` on MySQL |",
        fits: |d| d.is_mysql() && d.texts().iter().any(|text| text.contains("||")),
    },
    Class {
        name: "SQL in values",
        line: "| SQL in `values` |",
        fits: |d| d.refuses_sql() && !d.stock_fails() && d.case.kwargs.get("values").is_some(),
    },
    Class {
        name: "SQL in names",
        line: "| SQL in `table`, `columns`, `filter_column`, `filter_op` |",
        fits: |d| d.refuses_sql() && !d.stock_fails(),
    },
    Class {
        name: "more than before",
        line: "| `t.` outside of insert-or-update, a table before the column that is set on SQLite, a table's name in quotes; `==` and `IS` with a value on MySQL |",
        fits: |d| {
            let names_more = d
                .texts()
                .iter()
                .any(|text| text.contains("t.") || text.contains("@."));
            let quoted = d.argument("table").and_then(Value::as_str);
            let quoted = quoted.is_some_and(|table| table.starts_with(['"', '`']));
            let compares = d.is_mysql() && ["==", "IS", "IS NOT"].contains(&d.operator().as_str());
            d.stock_fails() && (names_more || quoted || compares)
        },
    },
    Class {
        name: "DECIMAL",
        line: "| `BIT` of more than one bit, `DECIMAL`",
        fits: |d| d.stock.reply == Reply::Ends,
    },
    Class {
        name: "wide numbers",
        line: "| whole numbers beyond 32 bits in an answer |",
        fits: |d| d.reply_holds(|stock, ours| stock.is_i64() && ours.is_string()),
    },
    Class {
        name: "a backslash at the end of an answer",
        line: "| a text that ends in a backslash |",
        fits: |d| {
            d.reply_holds(|stock, ours| {
                stock
                    .as_str()
                    .zip(ours.as_str())
                    .is_some_and(|(stock, ours)| {
                        stock.ends_with('\\') && ours.strip_suffix(' ') == Some(stock)
                    })
            })
        },
    },
    Class {
        name: "what an error is called",
        line: "| what an error is called |",
        fits: |d| d.stock_fails() && d.is_refused(),
    },
];

pub fn of(difference: &Difference) -> Option<&'static Class> {
    ALL.iter().find(|class| (class.fits)(difference))
}

impl Difference {
    fn is_mysql(&self) -> bool {
        self.engine == Engine::Mariadb
    }

    fn inserts(&self) -> bool {
        self.case.function.starts_with("VPI_DB_UserInsert")
    }

    fn has_list(&self, name: &str) -> bool {
        matches!(self.argument(name), Some(Value::Array(items)) if !items.is_empty())
    }

    fn is_no_scalar(&self, name: &str) -> bool {
        match self.argument(name) {
            None | Some(Value::String(_)) => false,
            Some(Value::Array(_) | Value::Object(_)) => true,
            Some(_) => name != "filter_value",
        }
    }

    fn argument(&self, name: &str) -> Option<&Value> {
        self.case.kwargs.get(name)
    }

    fn operator(&self) -> String {
        let word = self.argument("filter_op").and_then(Value::as_str);
        word.unwrap_or_default().to_ascii_uppercase()
    }

    fn filter_value(&self) -> Option<&Value> {
        self.argument("filter_value")
    }

    fn filter_text(&self) -> Option<&str> {
        self.filter_value()?.as_str()
    }

    /// A lone apostrophe may end the text so that the rest is SQL.
    fn filter_is_sql(&self) -> bool {
        self.filter_text()
            .is_some_and(|text| text.replace("''", "").contains('\''))
    }

    fn stock_fails(&self) -> bool {
        matches!(self.stock.reply, Reply::Error(_))
    }

    fn is_refused(&self) -> bool {
        matches!(self.ours.reply, Reply::Error(_))
    }

    fn refused(&self, reason: &str) -> bool {
        self.is_refused() && self.said.contains(reason)
    }

    fn refuses_sql(&self) -> bool {
        matches!(&self.ours.reply, Reply::Error(name) if name == "ValueError" || name == "PermissionError")
    }

    fn same_rows(&self) -> bool {
        self.stock.rows == self.ours.rows
    }

    fn counts(&self) -> bool {
        matches!((&self.stock.reply, &self.ours.reply),
            (Reply::Value(stock), Reply::Value(ours)) if stock.is_i64() && ours.is_i64())
    }

    /// Whether a value has a word that is another column to be set.
    fn values_name_each_other(&self) -> bool {
        let Some(Value::Object(values)) = self.argument("values") else {
            return false;
        };
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
            words.map(str::to_ascii_lowercase).collect()
        };
        values.iter().any(|(column, value)| {
            let named = words(value.as_str().unwrap_or_default());
            let mut others = values.keys().filter(|other| *other != column);
            others.any(|other| words(other).iter().any(|word| named.contains(word)))
        })
    }

    /// Every text of the call, names too.
    fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        each(&self.case.kwargs, &mut |value| match value {
            Value::String(text) => texts.push(text.clone()),
            Value::Object(entries) => texts.extend(entries.keys().cloned()),
            _ => {}
        });
        texts
    }

    fn values_hold(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        let mut found = false;
        for name in ["values", "update_values"] {
            if let Some(values) = self.argument(name) {
                each(values, &mut |value| found |= is_it(value));
            }
        }
        found
    }

    /// Whether two values of the answers in the same place are like this.
    fn reply_holds(&self, are_they: impl Fn(&Value, &Value) -> bool) -> bool {
        let (Reply::Value(stock), Reply::Value(ours)) = (&self.stock.reply, &self.ours.reply)
        else {
            return false;
        };
        let (mut all, mut ours_all) = (Vec::new(), Vec::new());
        each(stock, &mut |value| all.push(value.clone()));
        each(ours, &mut |value| ours_all.push(value.clone()));
        all.len() == ours_all.len()
            && all
                .iter()
                .zip(&ours_all)
                .any(|(stock, ours)| are_they(stock, ours))
    }
}

fn each(value: &Value, act: &mut impl FnMut(&Value)) {
    act(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, act)),
        Value::Object(entries) => entries.values().for_each(|entry| each(entry, act)),
        _ => {}
    }
}
