//! The integration tests: the built program, from outside. One binary, a module per subject.
//!
//! `support` holds what the stories are told with. Nothing here uses a fixed port or path, and
//! all modules run side by side.

mod support;

mod answers;
// The bench uses the rest.
#[allow(dead_code)]
mod attack;
mod backup;
mod bridge;
mod commands;
mod community_cli;
mod community_import;
mod community_local;
mod completions;
mod connection_state;
mod databases;
mod differential;
mod doors;
mod engine;
mod floods;
mod floods_start;
mod fuzz;
mod games;
mod hostile;
mod hostile_content;
mod kill;
mod logs;
mod manual_commands;
mod manual_links;
#[cfg(feature = "mysql")]
mod mariadb;
#[cfg(feature = "mysql")]
mod mariadb_kill;
#[cfg(feature = "mysql")]
mod mariadb_limits;
mod occupied;
mod outage;
mod overlooked;
mod owner_files;
mod private;
mod queries;
mod queue;
mod replay;
mod replay_command;
mod scripts_calls;
mod scripts_config;
mod scripts_confine;
mod scripts_control;
mod scripts_folder;
mod scripts_geoip;
mod scripts_kill;
mod scripts_life;
mod scripts_memory;
mod scripts_stats;
mod scripts_values;
mod scripts_vpi;
mod scripts_vyhub;
mod scripts_workbench;
mod secrets;
mod service;
mod settings;
mod shares;
mod signed;
mod signed_hostile;
mod signed_kill;
mod signed_twins;
mod status;
mod stuck_statements;
mod systemd;
mod trace;
mod vyhub;
mod vyhub_admins;
mod vyhub_cases;
mod vyhub_functions;
mod vyhub_groups;
mod vyhub_kill;
mod vyhub_links;
mod vyhub_login;
mod vyhub_playtime;
mod vyhub_rewards;
mod vyhub_slots;
mod vyhub_state;
mod vyhub_trouble;
mod with_game;
