//! `[query.NAME]`: SQL functions that the owner wrote.

use std::sync::Arc;

use super::{Config, Problem};
use crate::sql::{DatabaseId, Fault, Query, Subject};

impl Config {
    /// What a database found wrong, and where the owner wrote it.
    pub fn problem_of(&self, database: DatabaseId, fault: &Fault) -> Problem {
        match &fault.of {
            Subject::Query { name, step } => {
                let entry = self.queries.iter().find(|entry| entry.query.name == *name);
                entry.map(|entry| entry.problem(*step, fault.at, &fault.message))
            }
            Subject::Schema { step, line } => {
                let database = self.databases.get(database);
                let file = database.and_then(|database| database.schema.as_ref());
                file.map(|file| Problem {
                    source: file.path.display().to_string(),
                    line: Some(*line),
                    key: format!("step {step}"),
                    message: fault.message.clone(),
                })
            }
        }
        .unwrap_or_else(|| Problem {
            source: "configuration".to_owned(),
            line: None,
            key: String::new(),
            message: fault.message.clone(),
        })
    }
}

/// A query and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryEntry {
    pub query: Arc<Query>,
    /// The file as the owner knows it.
    pub source: String,
    /// The line of each step.
    pub lines: Vec<Option<usize>>,
}

impl QueryEntry {
    /// What is wrong with a step, `at` a byte of its statement.
    pub fn problem(&self, step: usize, at: Option<usize>, message: &str) -> Problem {
        let key = match self.query.steps.len() {
            1 => format!("query.{}.sql", self.query.name),
            _ => format!("query.{}.steps, statement {}", self.query.name, step + 1),
        };
        let text = self.query.steps.get(step).map(|step| step.text.as_str());
        let place = text.zip(at).and_then(|(text, at)| {
            let before = text.get(..at)?;
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next()?.chars().count();
            Some(match text.contains('\n') {
                true => format!(" (at line {line}, character {column} of the statement)"),
                false => format!(" (at character {column})"),
            })
        });
        Problem {
            source: self.source.clone(),
            line: self.lines.get(step).copied().flatten(),
            key,
            message: format!("{message}{}", place.unwrap_or_default()),
        }
    }
}
