//! What `--help` says.

pub const MAIN: &str = "\
vpid: the daemon beside a Team Fortress 2 server that answers the calls its scripts write as files

Usage: vpid COMMAND [OPTIONS]

Commands:
  run     serve until SIGTERM or SIGINT
  init    write a configuration with a fresh key, and install the scripts for the game
  check   try everything a first start can fail on
  call    make one call, as a script in a game would
  game    look at the games that are connected, and send them something
  queue   what waits for VyHub, and what VyHub refused
  script  look at your Python scripts, load and unload them
  bench   measure a running vpid through the files
  demo    see it at work, with no configuration and nothing left behind

Commands that speak with a running vpid take the options of run too, and need no more of the configuration
than its state_dir (call: its servers as well; bench: all of it).

Options:
  --config FILE   the configuration (default: ./vpid.toml, then /etc/vpid/vpid.toml)
  -h, --help      this, or the help of a command: vpid COMMAND --help
  -V, --version

Exit codes: 0 done; 1 it failed, or check found something bad, or the answer to a call was an
error; 2 wrong usage; 3 the configuration is wrong or missing.

Example: vpid demo
";

pub const RUN: &str = "\
Serves the scriptdata folders of the configuration until SIGTERM or SIGINT. SIGHUP reads the
configuration again; a bad one is refused and the old one stays.

Usage: vpid run [--config FILE] [--host HOST] [-p PORT] [-u USER] [-d NAME] [--password TEXT]

For a [database] of type = \"mysql\", as vpi.py has them:
  --host HOST          where the server is, instead of VPI_HOST or host
  -p, --port PORT      instead of VPI_PORT or port
  -u, --user USER      whom to log in as, instead of VPI_USER or user
  -d, --database NAME  the database on it, instead of VPI_INTERFACE or database; also -db NAME
  --password TEXT      instead of VPI_PASSWORD, password or password_file; others on this machine
                       can see it

The environment overrides the configuration: VPI_SCRIPTDATA_DIR, VPID_STATE_DIR and others, see
config.example.toml. VPID_LOG sets the log level (error, warn, info, debug).

Example: vpid run --config /etc/vpid/vpid.toml
";

pub const INIT: &str = "\
Writes a commented configuration with a fresh key, readable by its owner only, and brings the
scripts for the game that sign with this key.

Usage: vpid init [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]
       vpid init --legacy [--scriptdata DIR] [--vscripts DIR] [--config FILE] [--force]

  --scriptdata DIR   the game's tf/scriptdata; without it, TF2 is looked for in the usual places
  --vscripts DIR     install the scripts in the game's tf/scripts/vscripts, or bring them up to
                     date: a configuration that is there stays, and its key goes into them
  --config FILE      the file to write (default: ./vpid.toml)
  --force            replace a configuration that is there
  --legacy           serve the stock vpi.nut instead: no script is touched, and the secret that it
                     has is kept; --vscripts says where it is, if not beside scriptdata

Your mapspawn.nut and vpi_config.nut are never changed; a stock vpi.nut is kept as
vpi.nut.before-vpid.

Example: vpid init --vscripts /home/tf2/serverfiles/tf/scripts/vscripts
";

pub const CHECK: &str = "\
Tries everything a first start can fail on, and says for each what is good or what to do. Exit
code 1 if anything is bad.

Usage: vpid check [--config FILE] [options of vpid run]

Give it the options and the environment that vpid runs with: --host, -p, -u, -d (or -db) and --password as
`vpid run --help` has them.

Example: vpid check --config /etc/vpid/vpid.toml
";

pub const CALL: &str = "\
Plays a game server through the files: makes one call and prints its answer as JSON. Needs a
running vpid. Exit code 1 if the answer is an error.

Usage: vpid call FUNCTION [JSON] [--host HOST] [--script NAME] [--timeout SECONDS] [--config FILE]

  --host HOST        call as this host (default: one that no game has)
  --script NAME      call as this script; user tables belong to scripts (default: vpid_call.nut)
  --timeout SECONDS  how long to wait for the answer (default: 5)

Example: vpid call VPI_DB_UserSelect '{\"table\": \"user_contracts_players\"}' --script contracts.nut
";

pub const GAME: &str = "\
Looks at the games that a running vpid serves with signed scripts, and sends them something.
With RCON, `say` and `command` reach a game without these scripts, too.

Usage: vpid game list [--json]
       vpid game watch                   what games tell, as JSON lines, until Ctrl-C
       vpid game call FUNCTION [JSON]    call a function given to VPI.Register, print its result
       vpid game message NAME [JSON]     for functions given to VPI.On
       vpid game hook NAME [JSON]        raise a script hook
       vpid game say TEXT                show a text
       vpid game command TEXT            run a command on the server's console, where that allows it

  --host HOST        the game (default: the only one that is connected)
  --to USERID        say: to one player only
  --where PLACE      say: chat, center or console (default: chat)
  --keep             deliver to the next map if this one ends first
  --timeout SECONDS  how long to wait for the game (default: 10)
  --config FILE      the configuration that vpid runs with

Example: vpid game say 'The server restarts in five minutes' --where center
";

pub const QUEUE: &str = "\
Shows what waits to be sent to VyHub and what VyHub refused: bans, unbans and warnings.

Usage: vpid queue list [--json]      all of it, the oldest first
       vpid queue show ID [--json]   one entry with everything that is known of it
       vpid queue retry ID           try it now, also one that was refused
       vpid queue retry all          try everything now
       vpid queue drop ID            give it up: VyHub will not be told

Without a running vpid, list and show read the files of the state folder; retry and drop need one.

  --config FILE      the configuration that vpid runs with

Example: vpid queue list
";

pub const SCRIPT: &str = "\
Looks at the Python scripts of a running vpid, and loads and unloads them.

Usage: vpid script list [--json]       all of them, and how they fare
       vpid script load NAME           start it
       vpid script unload NAME         end it; it stays away until it is loaded
       vpid script reload NAME         end it and start it anew, as it stands on disk now
       vpid script log NAME [--json]   what it has printed and logged last

  --config FILE      the configuration that vpid runs with

Example: vpid script reload stats
";

pub const BENCH: &str = "\
Measures a running vpid through the files, as games would use it: latency of single calls, then
throughput. Makes the table user_vpidbench_rows in the database, which is to be SQLite, and removes
it again; `--work echo` needs none.

Usage: vpid bench [--hosts 4] [--files 200] [--batch 20] [--work select|insert|echo] [--json]
                  [--config FILE]

  --hosts N    games that write at the same time
  --files N    call files of each, and calls in the latency measurement
  --batch N    calls in each file
  --work WHAT  what each call does
  --json       print for programs

Example: vpid bench --hosts 16 --work insert
";

pub const DEMO: &str = "\
Shows vpid at work: starts the daemon on temporary folders with an SQLite database, plays game
servers and a VyHub against it, and shows what happens. Needs no configuration, takes some ten
seconds and leaves nothing behind. Exit code 1 if anything does not come out as it should.

Usage: vpid demo

Example: vpid demo
";
