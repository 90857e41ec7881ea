//! The servers of the community, as their vpids report them, and the owner's options for them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::rows::Select;
use super::{Admin, AdminError, Found, Listing, Window};
use crate::io::community::changes::Topic;
use crate::io::community::row::{Row, id_value};
use crate::io::sql::own::{OwnError, Value};
use crate::limits::COMMUNITY_SERVER_OPTIONS_BYTES_MAX;
use crate::protocol::uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Server {
    pub id: Uuid,
    pub name: String,
    pub map: String,
    pub alive: bool,
    pub players: i64,
    pub players_max: i64,
    /// Of the vpid that reports it.
    pub vpid: String,
    pub seen: Option<Timestamp>,
    pub options: Map<String, Json>,
}

/// Options by their names; `None`: it is taken away.
pub type ServerEdit = Vec<(String, Option<Json>)>;

/// What became of an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerEdited {
    /// All that the server has now.
    pub options: Map<String, Json>,
    /// Those that were to be taken away, and were not there.
    pub not_set: Vec<String>,
}

const COLUMNS: &str = "id, name, map, alive, players_current, players_max, vpid, seen_us, extra";

fn read(row: &mut Row) -> Result<Server, OwnError> {
    Ok(Server {
        id: row.id()?,
        name: row.text_or_empty()?,
        map: row.text_or_empty()?,
        alive: row.flag()?,
        players: row.number()?,
        players_max: row.number()?,
        vpid: row.text_or_empty()?,
        seen: row.time_or_null()?,
        options: options(&row.text_or_empty()?)?,
    })
}

/// Nothing is none; what is no object is not as vpid writes it, and is not written over.
fn options(text: &str) -> Result<Map<String, Json>, OwnError> {
    match text.trim() {
        "" => Ok(Map::new()),
        text => serde_json::from_str(text).map_err(|_| OwnError::Odd("vpid_servers")),
    }
}

impl Admin {
    pub fn servers(&mut self, window: Window) -> Result<Listing<Server>, AdminError> {
        let select = Select {
            table: "vpid_servers",
            columns: COLUMNS,
            from: "vpid_servers",
            order: "name, id",
            params: &[],
        };
        select.part(&mut self.own, window, read)
    }

    /// Sets options of a server, and takes others away.
    pub fn edit_server(
        &mut self,
        name: &str,
        edit: &ServerEdit,
    ) -> Result<ServerEdited, AdminError> {
        self.change(&[Topic::Servers], |own, _| -> Found<ServerEdited> {
            let select = Select {
                table: "vpid_servers",
                columns: COLUMNS,
                from: "vpid_servers WHERE name = ?",
                order: "id",
                params: &[name.into()],
            };
            let Some(server) = select.first(own, 1, read)?.pop() else {
                let names = own.rows("SELECT name FROM vpid_servers ORDER BY name", &[])?;
                let known = names.iter().filter_map(|row| row[0].text());
                return Ok(Err(AdminError::NoServer {
                    name: name.to_owned(),
                    known: known.map(str::to_owned).collect(),
                }));
            };
            let (mut options, mut not_set) = (server.options, Vec::new());
            for (key, value) in edit {
                match value {
                    Some(value) => drop(options.insert(key.clone(), value.clone())),
                    None => {
                        if options.remove(key).is_none() {
                            not_set.push(key.clone());
                        }
                    }
                }
            }
            let text = Json::Object(options.clone()).to_string();
            if text.len() > COMMUNITY_SERVER_OPTIONS_BYTES_MAX {
                return Ok(Err(AdminError::TooLong {
                    what: "what the options are together",
                    chars_max: COMMUNITY_SERVER_OPTIONS_BYTES_MAX,
                }));
            }
            let update = "UPDATE vpid_servers SET extra = ? WHERE id = ?";
            own.run(update, &[Value::Text(text), id_value(server.id)])?;
            Ok(Ok(ServerEdited { options, not_set }))
        })
    }
}
