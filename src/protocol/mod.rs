//! Bytes to values and back, pure: no file, socket, clock or thread in here.
//!
//! Everything that crosses from the game, a database or a client is given its shape in this
//! room, so that `core` and `io` can speak of it without knowing each other.

pub mod address_range;
pub mod admins_file;
pub mod backend;
pub mod backup;
pub mod ban_list;
pub mod call;
pub mod call_error;
pub mod console;
pub mod control;
pub mod counted;
pub mod cut;
pub mod engine_log;
pub mod fair_map;
pub mod game_json;
pub mod game_report;
pub mod geoip;
pub mod imports;
pub mod local_ids;
pub mod log_targets;
pub mod look_alike;
pub mod mmdb;
pub mod names;
pub mod observable;
pub mod player_text;
pub mod rcon;
pub mod redact;
pub mod response_text;
pub mod script_channel;
pub mod script_line;
pub mod server_id;
pub mod server_status;
pub mod signed;
pub mod steam_id;
pub mod stock;
pub mod template;
pub mod template_text;
pub mod trace;
pub mod uuid;
pub mod vyhub;
