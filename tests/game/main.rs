//! Real scripts in a fake game: tests of the game itself, and of the daemon with scripts.

mod callbacks;
mod chat_guard;
mod client;
mod codec;
mod engine;
mod examples;
mod manual;
mod python_manual;
mod recording;
mod scripts;
mod stock;
mod support;
mod vpi_calls;
mod vpi_costs;
mod vpi_daemon;
mod vpi_events;
mod vpi_files;
mod vpi_functions;
mod vpi_guard;
mod vpi_link;
mod vpi_script;
mod vpi_start;
mod vpi_trouble;
mod vpi_trust;
mod vyhub;
