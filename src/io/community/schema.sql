-- The tables of a community of one's own; docs/community.md explains them to those who write pages on them.
--
-- One text for both engines: what stands in /*! */ is a comment for SQLite, and code for MySQL and MariaDB.
-- Times are unix time in microseconds (`_us`), players are numbers of the 64-bit form of their SteamIDs, ids are
-- UUIDs as text. `changed` is the value that the counter of the table's topic in vpid_changes had with the last
-- change of the row: who has read a table up to a value reads what is above it, and has all. A transaction that
-- changes anything first adds 1 to the counters of its topics, in the order of their names.

-- step 1
CREATE TABLE vpid_changes (
    topic VARCHAR(16) NOT NULL PRIMARY KEY,
    counter BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
INSERT INTO vpid_changes (topic, counter)
    VALUES ('addresses', 0), ('adverts', 0), ('bans', 0), ('executed', 0), ('groups', 0), ('members', 0),
        ('rewards', 0), ('servers', 0), ('warnings', 0);

CREATE TABLE vpid_users (
    steam BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(128) NOT NULL DEFAULT '',
    admin SMALLINT NOT NULL DEFAULT 0,
    created_us BIGINT NOT NULL,
    seen_us BIGINT
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_users_name ON vpid_users (name);

CREATE TABLE vpid_bans (
    id CHAR(36) NOT NULL PRIMARY KEY,
    steam BIGINT NOT NULL,
    name VARCHAR(128) NOT NULL DEFAULT '',
    reason VARCHAR(1000) NOT NULL DEFAULT '',
    length_s BIGINT,
    created_us BIGINT NOT NULL,
    ends_us BIGINT,
    issuer BIGINT,
    issuer_name VARCHAR(128) NOT NULL DEFAULT '',
    lifted_us BIGINT,
    lifted_by BIGINT,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_bans_steam ON vpid_bans (steam, created_us);
CREATE INDEX vpid_bans_changed ON vpid_bans (changed);

CREATE TABLE vpid_address_bans (
    id CHAR(36) NOT NULL PRIMARY KEY,
    range_text VARCHAR(40) NOT NULL,
    first_address BIGINT NOT NULL,
    last_address BIGINT NOT NULL,
    reason VARCHAR(1000) NOT NULL DEFAULT '',
    length_s BIGINT,
    created_us BIGINT NOT NULL,
    ends_us BIGINT,
    issuer BIGINT,
    issuer_name VARCHAR(128) NOT NULL DEFAULT '',
    lifted_us BIGINT,
    lifted_by BIGINT,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_address_bans_first ON vpid_address_bans (first_address);
CREATE INDEX vpid_address_bans_changed ON vpid_address_bans (changed);

CREATE TABLE vpid_warnings (
    id CHAR(36) NOT NULL PRIMARY KEY,
    steam BIGINT NOT NULL,
    reason VARCHAR(1000) NOT NULL DEFAULT '',
    created_us BIGINT NOT NULL,
    issuer BIGINT,
    issuer_name VARCHAR(128) NOT NULL DEFAULT '',
    withdrawn_us BIGINT
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_warnings_steam ON vpid_warnings (steam, created_us);

-- `inherits`: members also have what groups of lower levels grant or deny, where neither this one nor one of a level
-- between says otherwise. `max_ban_s` bounds the bans that members may give; without one, a group that has
-- `ban_edit` from a lower level has the bound of that, too.
CREATE TABLE vpid_groups (
    id CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    level BIGINT NOT NULL,
    inherits SMALLINT NOT NULL DEFAULT 1,
    max_ban_s BIGINT,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE UNIQUE INDEX vpid_groups_name ON vpid_groups (name);

CREATE TABLE vpid_properties (
    group_id CHAR(36) NOT NULL,
    name VARCHAR(64) NOT NULL,
    granted SMALLINT NOT NULL,
    PRIMARY KEY (group_id, name)
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;

CREATE TABLE vpid_members (
    id CHAR(36) NOT NULL PRIMARY KEY,
    steam BIGINT NOT NULL,
    group_id CHAR(36) NOT NULL,
    begin_us BIGINT NOT NULL,
    end_us BIGINT,
    issuer BIGINT,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_members_steam ON vpid_members (steam, begin_us);
CREATE INDEX vpid_members_group ON vpid_members (group_id, end_us);
CREATE INDEX vpid_members_changed ON vpid_members (changed);

-- A row for each player and day (`2026-11-30`, UTC).
CREATE TABLE vpid_playtime (
    steam BIGINT NOT NULL,
    day CHAR(10) NOT NULL,
    ms BIGINT NOT NULL,
    PRIMARY KEY (steam, day)
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;

CREATE TABLE vpid_adverts (
    id CHAR(36) NOT NULL PRIMARY KEY,
    content VARCHAR(2000) NOT NULL,
    colour CHAR(6) NOT NULL DEFAULT 'FFFFFF',
    position BIGINT NOT NULL DEFAULT 0,
    enabled SMALLINT NOT NULL DEFAULT 1,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;

-- Commands for the members of a group, or without one for every player; once for each membership, or whenever
-- the event happens. `event`: DIRECT, CONNECT, SPAWN, DEATH, DISCONNECT, DISABLE.
CREATE TABLE vpid_rewards (
    id CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    group_id CHAR(36),
    event VARCHAR(12) NOT NULL,
    command VARCHAR(1000) NOT NULL,
    once SMALLINT NOT NULL DEFAULT 1,
    once_from_all SMALLINT NOT NULL DEFAULT 0,
    position BIGINT NOT NULL DEFAULT 0,
    enabled SMALLINT NOT NULL DEFAULT 1,
    created_us BIGINT NOT NULL,
    changed BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;

-- What was executed: a reward for a membership (or a player, where it has no group), on a server.
CREATE TABLE vpid_executed (
    applied CHAR(36) NOT NULL,
    server CHAR(36) NOT NULL,
    steam BIGINT NOT NULL,
    reward CHAR(36) NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (applied, server)
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_executed_steam ON vpid_executed (steam);

-- `players`: SteamIDs of who is on, as a list in JSON. `extra`: options of the owner's, an object in JSON.
CREATE TABLE vpid_servers (
    id CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(128) NOT NULL,
    vpid CHAR(16) NOT NULL DEFAULT '',
    map VARCHAR(128) NOT NULL DEFAULT '',
    alive SMALLINT NOT NULL DEFAULT 0,
    players_max BIGINT NOT NULL DEFAULT 0,
    players_current BIGINT NOT NULL DEFAULT 0,
    players TEXT,
    extra TEXT,
    seen_us BIGINT
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;

-- Changes that only add, by the ids that their vpids gave them: none is added twice.
CREATE TABLE vpid_done (
    id CHAR(36) NOT NULL PRIMARY KEY,
    at_us BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
CREATE INDEX vpid_done_at ON vpid_done (at_us);

-- Which vpids wait to be woken by a change: where `account` is not the same for all (the account of the database and
-- the server that holds the connection), none can wake all others, and each looks more often by itself.
CREATE TABLE vpid_listeners (
    vpid CHAR(16) NOT NULL PRIMARY KEY,
    account VARCHAR(400) NOT NULL,
    seen_us BIGINT NOT NULL
) /*! ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin */;
