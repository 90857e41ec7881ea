// The owner's settings: read once at the start, from vpi_config.nut if there is one.

local vpi = this
local type = ::type, regexp = ::regexp, consts = ::getconsttable()
local Include = ::DoIncludeScript, Match = ::regexp.match
local rawget = {}.rawget, rawin = {}.rawin, rawdelete = {}.rawdelete
local Log = vpi.Log, Announce = vpi.Announce, ErrorText = vpi.ErrorText, logging = vpi.logging

local MARK = "VPI_CONFIG", HOST_BYTES_MAX = 128

// `scripts` is null as long as all may call everything; else by file name null for everything, or
// { names, patterns }.
local settings = {
	ready = false
	scripts = null
	gatherTicks = 33
	heartbeatTicks = 667
	host = ""
}
vpi.settings <- settings

local Rules = function(file, given, problems)
{
	if (given == null)
		return null
	if (type(given) != "array")
	{
		problems.append("scripts: what " + file + " may call is no list")
		return null
	}
	local rules = { names = {}, patterns = [] }
	foreach (entry in given)
	{
		if (type(entry) != "string")
			problems.append("scripts: " + file + " has an entry that is no text")
		else if (entry.len() > 2 && entry[0] == '/' && entry[entry.len() - 1] == '/')
		{
			try { rules.patterns.append(regexp(entry.slice(1, -1))) }
			catch (problem) { problems.append("scripts: " + file + ": " + entry + " is no regular expression") }
		}
		else
			rules.names[entry] <- null
	}
	return given.len() > 0 ? rules : null
}

local Whole = function(name, value, least, most, problems)
{
	if (type(value) == "integer" && value >= least && value <= most)
		return value
	problems.append(name + ": is no whole number from " + least + " to " + most)
	return least
}

// What each setting of the file means.
local READ = {
	function scripts(value, problems)
	{
		if (type(value) != "table")
			return problems.append("scripts: is no table")
		local all = {}
		foreach (file, given in value)
		{
			if (type(file) != "string" || file.len() < 5 || file.slice(-4) != ".nut")
				problems.append("scripts: \"" + file + "\" is no name of a script file")
			else
				all[file] <- Rules(file, given, problems)
		}
		settings.scripts = all.len() > 0 ? all : null
	}
	function gather_ticks(value, problems) { settings.gatherTicks = Whole("gather_ticks", value, 1, 667, problems) }
	function heartbeat_seconds(value, problems)
	{
		settings.heartbeatTicks = Whole("heartbeat_seconds", value, 0, 3600, problems) * 200 / 3
	}
	function log_level(value, problems) { logging.level = Whole("log_level", value, 0, 15, problems) }
	function host(value, problems)
	{
		if (type(value) != "string")
			return problems.append("host: is no text")
		if (value.len() > HOST_BYTES_MAX)
			return problems.append("host: has more than " + HOST_BYTES_MAX + " bytes")
		local plain = true
		foreach (byte in value)
			plain = plain && (byte >= 'a' && byte <= 'z' || byte >= '0' && byte <= '9' || byte == '_')
		if (plain)
			settings.host = value
		else
			problems.append("host: only lower case letters, digits and _ can stand in it")
	}
}

local Accept = function(config, there, problem)
{
	if (!there)
	{
		Log(vpi.INFO, "There is no vpi_config.nut: every script file may call every function")
		return settings.ready = true
	}
	local problems = []
	if (problem != null)
		problems.append(problem)
	else
		foreach (name, value in config)
		{
			if (name in READ)
				READ[name](value, problems)
			else
				problems.append("\"" + name + "\" is no setting")
		}
	if (problems.len() == 0)
		return settings.ready = true
	foreach (text in problems)
		Announce("vpi_config.nut: " + text)
	Announce("VPI does not start, since vpi_config.nut has mistakes")
	return false
}

// Runs the owner's file. This function and its variables can be looked at from there. The file's
// first line is a constant, which exists as soon as the line has been read, even if the rest
// cannot be compiled: so a file with a mistake does not count as missing.
vpi.Configure <- function()
{
	local config = {}, problem = null, ran = false
	try { rawdelete.call(consts, MARK) } catch (_) {}
	try { ran = Include("vpi_config", config) != false }
	catch (error) {}
	local there = rawin.call(consts, MARK) || ran
	if (rawin.call(consts, MARK))
		rawdelete.call(consts, MARK)
	else if (ran)
		problem = "its first line, const VPI_CONFIG = 1, is missing"
	if (there && !ran)
		problem = "it cannot be compiled, or ends with an error; see above"
	return Accept(config, there, problem)
}

// Whether a script file may call a function of vpid. `func` is null for all the rest that VPI
// offers, for which being listed is enough.
vpi.Allows <- function(src, func)
{
	if (!settings.ready || src.len() < 5 || src.slice(-4) != ".nut")
		return false
	local scripts = settings.scripts
	if (scripts == null)
		return true
	if (!(src in scripts))
		return false
	local rules = scripts[src]
	if (rules == null || func == null || func in rules.names)
		return true
	foreach (pattern in rules.patterns)
		if (Match.call(pattern, func))
			return true
	return false
}
