//! `[community.groups."NAME"]` and `[community.sourcemod]`: what groups do in the game.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeTable;

use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::reader::{Reader, Table, dotted};
use crate::limits::{GROUP_COMMANDS_MAX, GROUP_NAME_CHARS_MAX};
use crate::protocol::admins_file::Grant;
use crate::protocol::template::Template;

pub static TABLE: Declared = Declared {
    head: "[community.groups.NAME]",
    keys: &[KEYS],
    also: &[],
    doc: "What a group does in the game (docs/vyhub.md and docs/community.md, Groups). NAME is the name of the \
          group, or with VyHub that of its mapping.",
    example: "# [community.groups.\"VIP\"]",
};

const COMMANDS: Kind = Kind::Texts("sm_say %nick% is a VIP now");

const KEYS: &[Key] = &[
    key(
        "on_add",
        COMMANDS,
        "Console commands, run when a player gets this group, at most 16. Placeholders: \
         `%user_id% %nick% %steamid64% %steamid3% %steamid32% %userid% %group% %server% %map%`. \
         The target of a command of SourceMod is `#%userid%`: a player may be called `@all`.",
    )
    .default(Usual::Words("none"))
    .example("[\"sm_say %nick% is a VIP now\"]")
    .in_force(InForce::WithNextStart),
    key(
        "on_remove",
        COMMANDS,
        "The same, run when a player loses this group.",
    )
    .default(Usual::Words("none"))
    .example("[\"sm_say %nick% is no VIP any more\"]")
    .in_force(InForce::WithNextStart),
    text(
        "sourcemod",
        "What players of this group get in [SourceMod](vyhub.md#sourcemod): flags such as \"abc\" or \"99:z\", \
         or a group of SourceMod such as \"@VIP\". It needs `[community.sourcemod]`.",
    )
    .default(Usual::Words("nothing"))
    .example("\"@VIP\"")
    .in_force(InForce::WithNextStart),
];

pub static SOURCEMOD: Declared = Declared {
    head: "[community.sourcemod]",
    keys: &[SOURCEMOD_KEYS],
    also: &[],
    doc: "SourceMod gets its admins from the groups: docs/vyhub.md, SourceMod.",
    example: "# [community.sourcemod]",
};

const SOURCEMOD_KEYS: &[Key] = &[text(
    "admins_simple",
    "SourceMod's file of admins, in which vpid maintains a block. It must exist, and vpid's user must \
     be able to write it and its folder.",
).variables(&["VPID_COMMUNITY_SOURCEMOD_ADMINS_SIMPLE"])
.default(Usual::Required("required"))
.example("\"/home/tf2/serverfiles/tf/addons/sourcemod/configs/admins_simple.ini\"")
.in_force(InForce::WithNextStart)];

/// What a group does, by the name of its mapping.
pub type Groups = BTreeMap<String, GroupCommands>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupCommands {
    pub on_add: Vec<Template>,
    pub on_remove: Vec<Template>,
    pub sourcemod: Option<Grant>,
}

impl Reader<'_> {
    pub(super) fn groups(&mut self, document: &DeTable<'_>, has_sourcemod: bool) -> Groups {
        let mut groups = Groups::new();
        let what = "tables, as in [OF.groups.NAME]";
        let Some((of, tables)) = self.below_community(document, "groups", what) else {
            return groups;
        };
        for (name, value) in tables {
            let place = self.place(&name.span(), &dotted(&of.key, name.get_ref()));
            let what = format!("a table, as in [{}.NAME]", of.key);
            let Some(table) = self.table_of(&place, value, &what) else {
                continue;
            };
            let chars = name.get_ref().chars();
            if name.get_ref().trim().is_empty() || chars.count() > GROUP_NAME_CHARS_MAX {
                let message = format!("its name must be 1 to {GROUP_NAME_CHARS_MAX} characters");
                self.problem(&place, message);
            }
            let table = self.table(&TABLE, place, table);
            let sourcemod = self.grant(&table);
            if sourcemod.is_some() && !has_sourcemod {
                let message = "sourcemod is of no use without [community.sourcemod]";
                self.missing(&table.place, message);
            }
            let commands = GroupCommands {
                on_add: self.templates(&table, "on_add"),
                on_remove: self.templates(&table, "on_remove"),
                sourcemod,
            };
            groups.insert(name.get_ref().to_string(), commands);
        }
        groups
    }

    /// SourceMod's file of admins.
    pub(super) fn sourcemod(&mut self, document: &DeTable<'_>) -> Option<PathBuf> {
        let what = "a [OF.sourcemod] table";
        let found = self.below_community(document, "sourcemod", what);
        let key = "community.sourcemod";
        let table = self.table_or_variables(&SOURCEMOD, SOURCEMOD_KEYS, key, found)?;
        if table.is_absent("admins_simple") {
            let message =
                "has no admins_simple; name SourceMod's configs/admins_simple.ini with it";
            self.missing(&table.place, message);
        }
        self.outside_path(&table, "admins_simple")
    }

    fn grant(&mut self, table: &Table) -> Option<Grant> {
        let (place, text) = table.text("sourcemod")?;
        let grant = text.parse();
        if let Err(wrong) = &grant {
            self.problem(place, format!("{text:?} {wrong}"));
        }
        grant.ok()
    }

    fn templates(&mut self, table: &Table, name: &str) -> Vec<Template> {
        let Some((place, texts)) = table.texts(name) else {
            return Vec::new();
        };
        if texts.len() > GROUP_COMMANDS_MAX {
            let message = format!(
                "has {} commands; at most {GROUP_COMMANDS_MAX} fit",
                texts.len()
            );
            self.problem(place, message);
        }
        let mut templates = Vec::new();
        for text in texts {
            match Template::parse(&text.value) {
                Ok(template) => templates.push(template),
                Err(wrong) => self.problem(&text.place, format!("{:?} {wrong}", text.value)),
            }
        }
        templates
    }
}
