//! The integration tests: the built program, from outside. One binary, a module per subject.
//!
//! `support` holds what the stories are told with. Nothing here uses a fixed port or path, and
//! all modules run side by side.

mod support;

mod answers;
mod bridge;
mod commands;
mod databases;
mod doors;
mod fuzz;
mod games;
mod hostile;
mod hostile_content;
mod kill;
#[cfg(feature = "mysql")]
mod mariadb;
#[cfg(feature = "mysql")]
mod mariadb_kill;
mod outage;
mod queries;
mod queue;
mod replay;
mod scripts_calls;
mod scripts_config;
mod scripts_control;
mod scripts_kill;
mod scripts_life;
mod scripts_values;
mod scripts_vpi;
mod scripts_vyhub;
mod service;
mod signed;
mod signed_hostile;
mod signed_kill;
mod simulation;
mod simulation_scripts;
mod simulation_signed;
mod simulation_vyhub;
mod vyhub;
mod vyhub_admins;
mod vyhub_functions;
mod vyhub_kill;
mod vyhub_state;
mod vyhub_trouble;
