// What the game itself defines in script, before any script of the server or the map runs.

function printl(what) { print(what + "\n") }
function Msg(what) { print(what) }
function printf(...) { print(format.acall([this].extend(vargv))) }

function UniqueString(suffix = "") { return DoUniqueString(suffix.tostring()) }

function IncludeScript(file, scope = null)
{
	return ::DoIncludeScript(file, scope == null ? this : scope)
}

function EntFire(target, input, value = "", delay = 0.0, activator = null)
{
	DoEntFire(target, input, value == null ? "" : value.tostring(), delay, activator, null)
}

// Functions called OnGameEvent_<event> are found in tables that scripts hand over here. The
// tables are held weakly, and the one that came last is called first.
function ClearGameEventCallbacks()
{
	::GameEventCallbacks <- {}
	::ScriptEventCallbacks <- {}
	::ScriptHookCallbacks <- {}
}
ClearGameEventCallbacks()

function __CollectEventCallbacks(scope, prefix, tableName, register)
{
	local collected = getroottable()[tableName]
	foreach (key, value in scope)
	{
		if (typeof key != "string" || typeof value != "function" || !startswith(key, prefix))
			continue
		local event = key.slice(prefix.len())
		if (event == "")
			continue
		if (!(event in collected))
		{
			collected[event] <- []
			if (register)
				register(event)
		}
		if (collected[event].find(scope) == null)
			collected[event].append(scope.weakref())
	}
}

function __CollectGameEventCallbacks(scope)
{
	__CollectEventCallbacks(scope, "OnGameEvent_", "GameEventCallbacks", RegisterScriptGameEventListener)
	__CollectEventCallbacks(scope, "OnScriptEvent_", "ScriptEventCallbacks", null)
	__CollectEventCallbacks(scope, "OnScriptHook_", "ScriptHookCallbacks", RegisterScriptHookListener)
}

function __RunEventCallbacks(event, params, prefix, tableName)
{
	local collected = getroottable()[tableName]
	if (!(event in collected))
		return
	local scopes = collected[event]
	for (local i = scopes.len() - 1; i >= 0; i--)
	{
		if (scopes[i] == null)
			scopes.remove(i)
		else
			scopes[i][prefix + event](params)
	}
}

function __RunGameEventCallbacks(event, params)
{
	__RunEventCallbacks(event, params, "OnGameEvent_", "GameEventCallbacks")
}

function __RunScriptHookCallbacks(event, params)
{
	__RunEventCallbacks(event, params, "OnScriptHook_", "ScriptHookCallbacks")
}

function FireScriptEvent(event, params)
{
	__RunEventCallbacks(event, params, "OnScriptEvent_", "ScriptEventCallbacks")
}

// Natives are added to these. A class takes over what its base has, so players come later.
class CBaseEntity {}
class CEntities {}
class CConvars {}
class CNetPropManager {}

::Constants <- {
	EHudNotify = { HUD_PRINTNOTIFY = 1, HUD_PRINTCONSOLE = 2, HUD_PRINTTALK = 3, HUD_PRINTCENTER = 4 }
	ETFTeam = { TEAM_UNASSIGNED = 0, TEAM_SPECTATOR = 1, TF_TEAM_RED = 2, TF_TEAM_BLUE = 3 }
	Server = { MAX_PLAYERS = 101, MAX_EDICTS = 2048 }
}
