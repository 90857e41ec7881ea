// Protects the files that vpid and the game talk through: scripts go on writing and reading files as
// before, but not these. And notices when another script has put something else in our place.

local vpi = this
local root = vpi.root, Log = vpi.Log
local StringToFile = ::StringToFile, FileToString = ::FileToString, CompileString = ::compilestring
local type = ::type
local rawget = {}.rawget, rawset = {}.rawset, rawin = {}.rawin

// The parts of a path, as the game and its file system understand it.
local Parts = function(path)
{
	local parts = [], part = ""
	for (local i = 0; i <= path.len(); i++)
	{
		local byte = i < path.len() ? path[i] : 0
		if (byte != 0 && byte != '/' && byte != '\\')
		{
			part += byte.tochar()
			continue
		}
		// Windows leaves points and spaces at the end away, and takes what follows a colon for
		// another stream of the same file.
		local colon = part.find(":")
		if (colon != null && colon > 0)
			part = part.slice(0, colon)
		if (part == "..")
		{
			if (parts.len() > 0)
				parts.pop()
		}
		else
		{
			local end = part.len()
			while (end > 0 && (part[end - 1] == '.' || part[end - 1] == ' '))
				end--
			if (end > 0)
				parts.append(part.slice(0, end))
		}
		part = ""
		// The game sees a name up to its first NUL.
		if (byte == 0)
			break
	}
	return parts
}

// How files of ours end, and those that vpid makes of them.
local ENDING = ".interface", TAKEN = ".taken"

local Ours = function(name)
{
	local path = name.tolower()
	// Nearly all names end here.
	if (path.find("vpid") == null && path.find(ENDING) == null)
		return false
	local parts = Parts(path)
	if (parts.len() == 0)
		return false
	if (parts[0] == "vpid")
		return true
	// Folders too: one in the place of a file, or of what vpid makes of it, is in that file's way.
	foreach (part in parts)
	{
		local at = part.find(ENDING)
		while (at != null)
		{
			local behind = part.slice(at + ENDING.len())
			if (behind == "" || behind.find(".vpid") == 0 || behind.len() > TAKEN.len() && behind.slice(-TAKEN.len()) == TAKEN)
				return true
			at = part.find(ENDING, at + 1)
		}
	}
	return false
}

// These two give [result], or an error as text. They never throw: the functions of the game that they
// hold are not for those who handle errors.
local Write = function(name, text)
{
	try
	{
		if (name == null)
			name = ""
		if (text == null)
			text = ""
		if (type(name) != "string")
			return "parameter 1 has an invalid type '" + type(name) + "' ; expected: 'string'"
		if (type(text) != "string")
			return "parameter 2 has an invalid type '" + type(text) + "' ; expected: 'string'"
		if (!Ours(name))
			return [StringToFile(name, text)]
		Log(4, "A script tried to write " + name + ", which is for vpid only")
		return [false]
	}
	catch (_) { return "StringToFile failed" }
}

local Read = function(name)
{
	try
	{
		if (name == null)
			name = ""
		if (type(name) != "string")
			return "parameter 1 has an invalid type '" + type(name) + "' ; expected: 'string'"
		if (!Ours(name))
			return [FileToString(name)]
		Log(4, "A script tried to read " + name + ", which is for vpid only")
		return [null]
	}
	catch (_) { return "FileToString failed" }
}

// A name that looks like that of a file would let a script pass for another.
local Compile = function(text, name)
{
	try
	{
		if (type(text) != "string" || type(name) != "string")
			return "compilestring wants texts"
		local plain = name.tolower().find(".nut") == null
		foreach (byte in name)
			plain = plain && byte != 0
		return [CompileString(text, plain ? name : "compilestring")]
	}
	catch (problem) { return type(problem) == "string" ? problem : "compilestring failed" }
}

local wrappers = {
	function StringToFile(name, text)
	{
		local done = Write(name, text)
		if (type(done) == "string")
			throw done
		return done[0]
	}
	function FileToString(name)
	{
		local done = Read(name)
		if (type(done) == "string")
			throw done
		return done[0]
	}
	function compilestring(text, name = "compilestring")
	{
		local done = Compile(text, name)
		if (type(done) == "string")
			throw done
		return done[0]
	}
}

// Removed at the very start.
local GONE = ["setdebughook", "resurrectunreachable"]

vpi.Protect <- function()
{
	foreach (name, wrapper in wrappers)
		rawset.call(root, name, wrapper)
	vpi.ProtectSpeech()
}

local Is = function(table, name, value)
{
	return type(table) == "table" && rawin.call(table, name) && rawget.call(table, name) == value
}

// Gives the name of something of ours that another script has changed, or null.
vpi.Tampered <- function(api)
{
	foreach (name, wrapper in wrappers)
		if (!Is(root, name, wrapper))
			return name
	foreach (name in GONE)
		if (rawin.call(root, name) && rawget.call(root, name) != null)
			return name
	if (!Is(root, "VPI", api.table))
		return "VPI"
	foreach (name, value in api.members)
		if (!Is(api.table, name, value))
			return "VPI." + name
	return null
}
