const VPI_CONFIG = 1; // This line stays the first: by it vpi.nut knows that the file is there.

// Your settings for vpi.nut. Updates never touch this file. It is read at the start of every map.
// With a mistake in it, vpi.nut says so on the console and does not start.

// Which script files may use VPI, and which functions of vpid they may call. As long as nothing is
// listed, every script file may call every function.
//
//   "a file.nut": null                               may call everything
//   "a file.nut": ["VPI_Ping", "/VPI_DB_User.*/"]    may call these; between slashes stands a
//                                                    regular expression for the whole name
//
// Maps can bring script files of any name. What must not happen by their hand belongs into the
// permissions of vpid.toml as well.
scripts <- {
	// "my_mode.nut": ["VPI_DB_UserSelect", "VPI_DB_UserInsertOrUpdate"],
	// "ranks.nut": null,
}

// Calls that are not urgent are gathered for so many ticks (66 are a second) and sent together.
gather_ticks <- 33

// Seconds from one report of who is on to the next; 0 for none.
heartbeat_seconds <- 10

// What is said on the console, as a sum: 1 for debugging, 2 errors, 4 warnings, 8 the rest.
log_level <- 14

// The name under which vpid knows this server. Empty: made from the game's `hostname`.
// Lower case letters, digits and `_`; two servers that share a folder must not share it.
host <- ""
