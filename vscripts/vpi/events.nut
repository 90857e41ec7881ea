// What happens in the game, as it is reported to vpid.
//
// The table of handlers can be reached by every script. What is in there only queues plain data, and
// trusts no field: scripts can raise game events too.

local vpi = this
local type = ::type, getstackinfos = ::getstackinfos, rawget = {}.rawget, rawin = {}.rawin, Weak = {}.weakref
local QueueEvent = vpi.QueueEvent, settings = vpi.settings, root = vpi.root
local ErrorText = vpi.ErrorText, Log = vpi.Log

// In ticks. A player waits for the answer to a chat command.
local SOON = 3
local TEXT_BYTES_MAX = 512
local DEATH_FEIGNED = 32

local Number = function(params, key)
{
	local value = rawin.call(params, key) ? rawget.call(params, key) : 0
	local kind = type(value)
	if (kind == "bool")
		return value ? 1 : 0
	return kind == "integer" || kind == "float" ? value.tointeger() : 0
}

local Text = function(params, key)
{
	local value = rawin.call(params, key) ? rawget.call(params, key) : ""
	if (type(value) != "string")
		return ""
	return value.len() > TEXT_BYTES_MAX ? value.slice(0, TEXT_BYTES_MAX) : value
}

// What the engine calls for an event, and the file in which that stands.
local RunEvent = rawin.call(root, "__RunGameEventCallbacks") ? rawget.call(root, "__RunGameEventCallbacks") : null
local engineFile = null
try { engineFile = (function() {}).getinfos.call(RunEvent).src }
catch (_) {}

// Whether it is the engine that raises an event: then nothing but its own functions stands on the stack,
// down to the end. Scripts can call a handler as they like, and raise events by FireGameEvent. `level`: of
// the caller of the handler.
local IsOfEngine = function(level)
{
	if (engineFile == null || !rawin.call(root, "__RunGameEventCallbacks")
		|| rawget.call(root, "__RunGameEventCallbacks") != RunEvent)
		return false
	local first = level
	for (;; level++)
	{
		local info = getstackinfos(level)
		if (info == null)
			return level > first
		if (info.src != engineFile || level - first > 4)
			return false
	}
}

local Report = function(event, data, delay = null)
{
	QueueEvent({ event = event, data = data }, delay)
}

local heard = {
	function player_activate(params) { vpi.See(Number(params, "userid")) }
	function player_spawn(params)
	{
		local data = { userid = Number(params, "userid") }
		// Other games than Team Fortress do not have them.
		foreach (key in ["team", "class"])
			if (rawin.call(params, key))
				data[key] <- Number(params, key)
		vpi.Placed(data.userid)
		Report("player_spawn", data)
	}
	function player_death(params)
	{
		if (Number(params, "death_flags") & DEATH_FEIGNED)
			return
		local assister = Number(params, "assister")
		Report("player_death", {
			userid = Number(params, "userid"), attacker = Number(params, "attacker")
			assister = assister > 0 ? assister : 0, weapon = Text(params, "weapon")
		})
	}
	function player_say(params)
	{
		local chat = { userid = Number(params, "userid"), text = Text(params, "text") }
		// Commands of admins are among these. Under this function: the handler, and who called it.
		if (chat.text != "" && !IsOfEngine(4))
			chat.doubtful <- true
		else
			vpi.Does(chat.userid)
		Report("player_chat", chat, SOON)
	}
	function player_team(params)
	{
		// Who leaves changes sides, too.
		if (Number(params, "disconnect") != 0)
			return
		Report("player_team", {
			userid = Number(params, "userid"), team = Number(params, "team"), old = Number(params, "oldteam")
		})
	}
	function player_changeclass(params)
	{
		// What the player has chosen, and plays from the next spawn on.
		Report("player_class", { userid = Number(params, "userid"), ["class"] = Number(params, "class") })
	}
	function player_disconnect(params)
	{
		local userid = Number(params, "userid"), known = vpi.Leave(userid)
		local name = Text(params, "name"), id = Text(params, "networkid")
		if (name == "" && known != null)
			name = known.name
		// The engine's own number goes before a text that scripts can write, or that says `STEAM_ID_PENDING`.
		if (known != null && known.id != "")
			id = known.id
		else if (!vpi.IsFinalId(id))
			id = ""
		Report("player_disconnect", {
			userid = userid, name = name, id = id
			bot = Number(params, "bot") != 0 || id == "BOT", reason = Text(params, "reason")
		}, SOON)
	}
	function teamplay_round_start(params) { Report("round_start", { full = Number(params, "full_reset") != 0 }) }
	function teamplay_round_win(params) { Report("round_win", { team = Number(params, "team") }) }
	function server_cvar(params) { vpi.ConfigRuns() }
}

// What the game calls. Each holds its own function of the above and nothing else.
local Handler = function(name, Hear)
{
	return function(params)
	{
		try
		{
			if (type(params) == "table" && settings.ready)
				Hear(params)
		}
		catch (problem) { Log(4, "The event " + name + " is not reported: " + ErrorText(problem)) }
	}
}
local handlers = {}
foreach (name, hear in heard)
	handlers["OnGameEvent_" + name] <- Handler(name, hear)

// The game calls the tables of a list from the last to the first, and where one throws, none that stands before
// it. So ours is put at the end of each list. Scripts of maps clear the lists, or start new ones: gives whether
// ours stands in all of them.
local Listens = function()
{
	if (!rawin.call(root, "GameEventCallbacks"))
		return false
	local lists = rawget.call(root, "GameEventCallbacks"), everywhere = true
	if (type(lists) != "table")
		return false
	foreach (name, _ in heard)
	{
		local list = rawin.call(lists, name) ? rawget.call(lists, name) : null
		local at = type(list) == "array" ? list.find(handlers) : null
		if (at == null)
			everywhere = false
		else if (at < list.len() - 1)
		{
			list.remove(at)
			list.append(Weak.call(handlers))
		}
	}
	return everywhere
}

// The function of the game that takes the table can be another script's by now; so this one knows no more
// than the table.
vpi.Listen <- function()
{
	if (Listens() || !rawin.call(root, "__CollectGameEventCallbacks"))
		return
	local collect = rawget.call(root, "__CollectGameEventCallbacks")
	try { collect.pcall(root, handlers) }
	catch (_) {}
}
