//! A community of one's own: whether its database is there, and has what it takes to moderate.

use super::{Report, vyhub};
use crate::config::{Community, Config, Database};
use crate::io::community::check::{Look, look};
use crate::io::sql::own::OwnError;
use crate::protocol::counted::counted;
use crate::protocol::uuid::Uuid;

/// `now_s`: our clock.
pub(super) fn check(config: &Config, now_s: i64, report: &mut Report<'_>) {
    let Some(community) = &config.community else {
        return;
    };
    let Some(database) = community.database() else {
        return;
    };
    if let Some(path) = &community.admins_file {
        vyhub::sourcemod(path, report);
    }
    let database = &config.databases[database];
    let ids: Vec<Uuid> = config
        .servers
        .iter()
        .filter_map(|it| it.community_id)
        .collect();
    let instance = config.state_dir.join("instance");
    let found = look(database, &ids, &instance, now_s * 1_000_000);
    judge(config, community, database, found, report);
}

fn judge(
    config: &Config,
    community: &Community,
    database: &Database,
    found: Result<Option<Look>, OwnError>,
    report: &mut Report<'_>,
) {
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => {
            report.ok(format!(
                "community: in {database}; its tables are made at the next start"
            ));
            return report.warn(format!("community: {NO_ADMINISTRATOR}"));
        }
        Err(error) => {
            return report.bad(
                format!("community: {database}: {error}"),
                "until it works, the bans that were known last stay in force, and changes wait",
            );
        }
    };
    report.ok(format!(
        "community: in {database}: {}, {}, {} in force",
        counted(found.administrators, "administrator"),
        counted(found.groups.len(), "group"),
        counted(found.bans, "ban")
    ));
    if found.administrators == 0 {
        report.warn(format!("community: {NO_ADMINISTRATOR}"));
    }
    for name in community.groups.keys() {
        if !found.groups.contains(name) {
            report.warn(format!(
                "community: [{}.groups.{name:?}] is of no use, since there is no such group; `vpid community group \
                 add {name:?}` makes it",
                community.head
            ));
        }
    }
    for id in found.of_others {
        let servers = config.servers.iter();
        let ours = servers.filter(|server| server.community_id == Some(id));
        for server in ours {
            report.warn(format!(
                "community: another vpid has reported a server named {:?}; give {} a community_name of its own, \
                 unless it has moved here",
                server.community_name,
                server.label()
            ));
        }
    }
}

const NO_ADMINISTRATOR: &str =
    "it has no administrator yet; `vpid community admin add STEAMID` makes you one";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;
    use crate::io::community;

    fn reported(config: &Config) -> (bool, String) {
        let mut out = Vec::new();
        let mut report = Report::lines(&mut out, false);
        check(config, 1_800_000_000, &mut report);
        let good = report.good;
        (good, String::from_utf8(out).unwrap())
    }

    fn config(folder: &Path, lines: &str) -> Config {
        let text = format!(
            "[[server]]\nscriptdata = '/s'\nhostname = 'one'\nkey = '{}'\n[community]\ntype = 'local'\n{lines}\n",
            "k".repeat(32)
        );
        config::parse(&text, folder, |_| None).unwrap()
    }

    #[test]
    fn a_community_is_reported_with_what_it_lacks_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[community.groups.VIP]\n");
        let (good, said) = reported(&config);
        assert!(
            good && said.contains("its tables are made at the next start"),
            "{said}"
        );
        assert!(said.contains("it has no administrator yet"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut own = community::open(&config.databases[0]).unwrap();
        let (good, said) = reported(&config);
        let counts = "0 administrators, 0 groups, 0 bans in force";
        assert!(good && said.contains(counts), "{said}");
        assert!(
            said.contains("[community.groups.\"VIP\"] is of no use"),
            "{said}"
        );

        let id = config.servers[0].community_id.unwrap();
        for statement in [
            "INSERT INTO vpid_users (steam, admin, created_us) VALUES (76561197960287930, 1, 1)".to_owned(),
            "INSERT INTO vpid_groups (id, name, level, changed) VALUES ('g', 'VIP', 1, 1)".to_owned(),
            "INSERT INTO vpid_bans (id, steam, created_us, changed) VALUES ('a', 1, 1, 1)".to_owned(),
            "INSERT INTO vpid_bans (id, steam, created_us, ends_us, changed) VALUES ('b', 1, 1, 2, 1)".to_owned(),
            format!("INSERT INTO vpid_servers (id, name, vpid) VALUES ('{id}', 'one', 'another')"),
        ] {
            own.run(&statement, &[]).unwrap();
        }
        let (good, said) = reported(&config);
        let counts = "1 administrator, 1 group, 1 ban in force";
        assert!(good && said.contains(counts), "{said}");
        assert!(
            !said.contains("no administrator") && !said.contains("no use"),
            "{said}"
        );
        assert!(
            said.contains("another vpid has reported a server named \"one\""),
            "{said}"
        );
        std::fs::create_dir(&config.state_dir).unwrap();
        std::fs::write(config.state_dir.join("instance"), "another\n").unwrap();
        assert!(!reported(&config).1.contains("another vpid"));
    }

    #[test]
    fn a_database_that_cannot_be_used_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("vpid.db"),
            "this is no database, and never was one",
        )
        .unwrap();
        let (good, said) = reported(&config(folder.path(), ""));
        assert!(
            !good && said.contains("the bans that were known last stay in force"),
            "{said}"
        );
    }
}
