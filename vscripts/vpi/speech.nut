// Keeps scripts from speaking for players. `Say` and `SendGlobalGameEvent` make the engine write the
// same lines into its log, and raise the same events, as what players do themselves; commands of admins
// are read from there. So scripts go on saying things and raising events, except what would be a command
// of a player, and what the engine says of players.
//
// The engine raises events while these functions of the game run, and who handles one can look at the
// variables of all functions that wait. So one that waits holds no more than a spent `Once`; the one that
// made it has been left by then, since a call in a `return` takes the place of the function that makes it.
// That one in turn calls no other code, and lets another throw.

local vpi = this
local root = vpi.root, Log = vpi.Log
local type = ::type, getstackinfos = ::getstackinfos
local rawget = {}.rawget, rawset = {}.rawset, rawin = {}.rawin
local IsPlayer = "IsPlayer" in ::CBaseEntity ? ::CBaseEntity.IsPlayer : null
local Entities = ::Entities, FindByClassname = ::Entities.FindByClassname

local SCRIPTS_LOGGED_MAX = 64, PREFIXES_MAX = 32

// How commands begin; vpid says it when a session begins. `doubt`: what makes chat doubtful on this map, a
// part of a sentence, or null. `silent`: nothing more comes from this side on this map.
local speech = { prefixes = ["!", "/"], doubt = null, silent = false }
vpi.speech <- speech

// What scripts may raise of the events that begin with `player_`: nothing follows from these.
local HARMLESS = { player_hintmessage = null }

// Gives functions that give a native, each once.
local Lender = function(name)
{
	local native = rawin.call(root, name) ? rawget.call(root, name) : null
	return function()
	{
		local once = native
		return function()
		{
			local given = once
			once = null
			return given
		}
	}
}

local Source = function(info)
{
	return info == null ? "?" : info.src
}

local logged = {}

// Says it once for each script and kind.
local Refused = function(kind, src, text)
{
	local key = kind + " " + src
	if (key in logged || logged.len() >= SCRIPTS_LOGGED_MAX)
		return
	logged[key] <- null
	Log(4, src + " " + text)
}

// ---- What is a command

local IsBlank = function(byte)
{
	byte = byte & 255
	// Colours, blanks, quotation marks (the engine takes them off), and whatever is no ASCII: much of that
	// cannot be seen.
	return byte <= 32 || byte >= 127 || byte == '"' || byte == '\''
}

// Of sixteen, in lower case.
local IsDigit = function(byte)
{
	return byte >= '0' && byte <= '9' || byte >= 'a' && byte <= 'f'
}

local IsLetter = function(text, at)
{
	local byte = at < text.len() ? text[at] & 255 : 0
	return byte >= 'a' && byte <= 'z' || byte == '_'
}

// Whether a line, in lower case, begins with a command's prefix from `at` on, as the engine or a reader of
// its log may see it.
local BeginsCommand = function(line, at)
{
	while (true)
	{
		foreach (prefix in speech.prefixes)
			if (at + prefix.len() <= line.len() && line.slice(at, at + prefix.len()) == prefix)
				return true
		if (at < line.len() && IsBlank(line[at]))
		{
			// Digits of a colour follow these two.
			local digits = line[at] == 7 ? 6 : (line[at] == 8 ? 8 : 0)
			for (at++; digits > 0 && at < line.len() && IsDigit(line[at]); digits--)
				at++
			continue
		}
		// The engine takes these words for its own command.
		local word = line.find("say_team", at) == at ? 8 : (line.find("say", at) == at ? 3 : 0)
		if (word == 0 || IsLetter(line, at + word))
			return false
		at += word
	}
}

// Also in what follows an end of a line, a `;`, or a comment.
local IsCommand = function(text)
{
	text = text.tolower()
	if (BeginsCommand(text, 0))
		return true
	foreach (at, byte in text)
		if ((byte == '\n' || byte == '\r' || byte == ';') && BeginsCommand(text, at + 1))
			return true
	return false
}

// The same for what a player's game is to run.
local SpeaksCommand = function(text)
{
	text = text.tolower()
	local at = text.find("say")
	if (at == null)
		return false
	foreach (prefix in speech.prefixes)
		if (text.find(prefix, at) != null)
			return true
	return false
}

local Wrong = function(place, value)
{
	return "parameter " + place + " has an invalid type '" + type(value) + "' ; expected: 'string'"
}

// Each of these gives null where a call may go on, true where it is refused, else an error as a text. They
// never throw. The one who calls is the third on the stack.
local CheckSay = function(player, text)
{
	try
	{
		if (text == null)
			return null
		if (type(text) != "string")
			return Wrong(2, text)
		if (player == null || !IsCommand(text))
			return null
		// What the world says is not what a player says.
		if (IsPlayer != null && type(player) == "instance")
		{
			local plays = true
			try { plays = IsPlayer.call(player) } catch (_) {}
			if (!plays)
				return null
		}
		Refused("Say", Source(getstackinfos(3)), "tried to say a command in the name of a player; that is refused")
		return true
	}
	catch (_) { return "Say failed" }
}

local CheckEvent = function(name)
{
	try
	{
		if (name == null)
			return null
		if (type(name) != "string")
			return Wrong(1, name)
		local event = name.tolower()
		if (event.find("player_") != 0 || event in HARMLESS)
			return null
		Refused("event", Source(getstackinfos(3)), "tried to raise the game's event " + event + "; what the engine says of"
			+ " players is not for scripts")
		return true
	}
	catch (_) { return "SendGlobalGameEvent failed" }
}

local CheckInput = function(input, param)
{
	try
	{
		if (type(input) != "string" || type(param) != "string")
			return null
		if (input.tolower() != "command" && param.tolower().find("command") == null || !SpeaksCommand(param))
			return null
		Refused("input", Source(getstackinfos(3)), "tried to let a player's game say a command; that is refused")
		return true
	}
	catch (_) { return "the input failed" }
}

// ---- The functions in the game's place

local LendSay = Lender("Say"), LendRaise = Lender("SendGlobalGameEvent")
local LendFire = Lender("DoEntFire"), LendFireAt = Lender("EntFireByHandle")

// These wait while the game's function runs.
local With2 = function(once, a, b) { return once()(a, b) }
local With3 = function(once, a, b, c) { return once()(a, b, c) }
local With6 = function(once, a, b, c, d, e, f) { return once()(a, b, c, d, e, f) }
local Throw = function(text) { throw text }

local wrappers = {
	function Say(player, text, team)
	{
		local refused = CheckSay(player, text)
		if (refused == null)
			return With3(LendSay(), player, text, team)
		if (refused != true)
			return Throw(refused)
	}
	function SendGlobalGameEvent(name, data)
	{
		local refused = CheckEvent(name)
		if (refused == null)
			return With2(LendRaise(), name, data)
		if (refused != true)
			return Throw(refused)
	}
}

// Who replaces these does no harm: the game's own stay out of reach.
local inputs = {
	function DoEntFire(target, input, param, delay, activator, caller)
	{
		local refused = CheckInput(input, param)
		if (refused == null)
			return With6(LendFire(), target, input, param, delay, activator, caller)
		if (refused != true)
			return Throw(refused)
	}
	function EntFireByHandle(entity, input, param, delay, activator, caller)
	{
		local refused = CheckInput(input, param)
		if (refused == null)
			return With6(LendFireAt(), entity, input, param, delay, activator, caller)
		if (refused != true)
			return Throw(refused)
	}
}

// Other games on this engine may lack some of them.
local watched = {}

vpi.ProtectSpeech <- function()
{
	foreach (name, wrapper in wrappers)
		if (rawin.call(root, name))
			watched[name] <- wrapper
	foreach (list in [wrappers, inputs])
		foreach (name, wrapper in list)
			if (rawin.call(root, name))
				rawset.call(root, name, wrapper)
}

// What makes chat doubtful from now on. To the end of the map: it is unknown what was said when. All else
// goes on, since the game's own functions stay out of reach.
vpi.CheckSpeech <- function()
{
	if (speech.doubt != null)
		return
	foreach (name, wrapper in watched)
		if (!rawin.call(root, name) || rawget.call(root, name) != wrapper)
			speech.doubt = "a script has changed " + name
	// It can make players say things without any script.
	if (speech.doubt == null && FindByClassname.call(Entities, null, "point_clientcommand") != null)
		speech.doubt = "it has a point_clientcommand, which can make players say things"
	if (speech.doubt != null)
		Log(4, "Commands in chat that change something may not count on this map: " + speech.doubt)
}

// vpid says how commands begin.
vpi.TakePrefixes <- function(list)
{
	if (type(list) != "array")
		return
	local prefixes = ["!", "/"]
	foreach (prefix in list)
		if (type(prefix) == "string" && prefix.len() > 0 && prefixes.len() < PREFIXES_MAX)
		{
			local low = prefix.tolower()
			if (prefixes.find(low) == null)
				prefixes.append(low)
		}
	speech.prefixes = prefixes
}

// How chat stands on this map, as it is reported to vpid.
vpi.Guard <- function()
{
	return { doubt = speech.doubt, prefixes = speech.prefixes, silent = speech.silent }
}
