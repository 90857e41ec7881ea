// The game's side of vpid: scripts call functions of vpid, and vpid learns what happens here.
// docs/protocol.md says how the two talk.
//@ GENERATED

// Others may have been here before us, and waited. So first of all, as long as there is no secret
// in this file's memory: is the game as it should be? Gives what is wrong, or null.
local trouble = (function()
{
	local own = function() {}
	local infos = own.getinfos
	local Native = function(value, name)
	{
		// Throws for what is no function. The answer comes from the interpreter; no script can fake it.
		try
		{
			local about = infos.call(value)
			return about.native && (about.name == null || about.name.slice(-name.len()) == name)
		}
		catch (_) { return false }
	}
	local Late = function()
	{
		// All of them come after mapspawn.nut has run.
		foreach (name in ["tf_gamerules", "tf_player_manager", "player"])
			if (::Entities.FindByClassname(null, name) != null)
				return true
		return ::Entities.FindByName(null, "bignet") != null
	}
	try
	{
		if (!Native(::getroottable, "getroottable"))
			return "getroottable is not the game's own"
		local root = ::getroottable()
		// A hook is called for every line that runs, and can look at the variables there.
		if ("setdebughook" in root && root.setdebughook != null)
		{
			local SetDebugHook = root.setdebughook
			if (!Native(SetDebugHook, "setdebughook"))
				return "setdebughook is not the game's own"
			SetDebugHook(null)
		}
		if ("StringToFile" in root && !Native(root.StringToFile, "StringToFile"))
			return "it is running already, or another script has replaced StringToFile before it"
		foreach (name in [
			"StringToFile", "FileToString", "compilestring", "getstackinfos", "type", "format", "split", "print",
			"RandomInt", "LocalTime", "Time", "DoUniqueString", "GetMapName", "MaxClients", "ClientPrint",
			"SendToServerConsole", "SpawnEntityFromTable", "AddThinkToEnt", "PlayerInstanceFromIndex",
			"GetPlayerFromUserID", "FireScriptHook", "DoIncludeScript", "getconsttable"
		])
		{
			if (!(name in root))
				return "the game has no " + name
			if (!Native(root[name], name))
				return name + " is not the game's own"
		}
		// Not every game on this engine has these.
		foreach (name in ["Say", "SendGlobalGameEvent", "DoEntFire", "EntFireByHandle", "IsPlayerABot"])
			if (name in root && !Native(root[name], name))
				return name + " is not the game's own"
		foreach (holder, names in {
			Entities = ["FindByName", "FindByClassname"]
			Convars = ["GetStr", "GetInt"]
			NetProps = ["GetPropString", "GetPropIntArray"]
			CBaseEntity = ["ValidateScriptScope", "GetScriptScope", "GetScriptId", "IsValid", "entindex"]
			regexp = ["match"]
		})
			foreach (name in names)
				if (!Native(root[holder][name], name))
					return holder + "." + name + " is not the game's own"
		if (Late())
			return "it has to be started by mapspawn.nut, before anything else runs; it came too late"
		// The first would lay open every variable. The second gives away what has been dropped and
		// is still in memory.
		local rawset = {}.rawset
		foreach (name in ["setdebughook", "resurrectunreachable"])
			if (name in root)
				rawset.call(root, name, null)
	}
	catch (problem)
	{
		return "something is missing in this game"
	}
	return null
})()

if (trouble != null)
{
	::print("[VPI] -- ERROR -- vpi.nut does not start: " + trouble + "\n")
	try { ::ClientPrint(null, 3, "\x07FF5757[VPI] vpi.nut does not start: " + trouble) } catch (_) {}
	return
}

local VERSION = "0.2.0";

// The `key` of vpid.toml; `vpid init` puts it here. A function, since the variables of a script
// can be looked at by others, and what a function returns only where it is used.
local function OwnerKey() { return "PUT-THE-KEY-OF-vpid.toml-HERE" }

// All that follows lives in one table that no other script can reach. Three rules keep it so:
//
// - Code that we call can look at the variables of all functions that wait for it to return,
//   and so can an error handler, for an error that is not caught. So functions that hold something
//   worth protecting call no other code, and catch what they throw.
// - Any script can put something else in the root table later. So no name is looked up when it is
//   needed; what we use is taken at the start.
// - Values of others can bring code of their own with them (metamethods). So theirs are copied or
//   examined with functions that look past that.
local function Load(OwnerKey)
{
	local vpi = { VERSION = VERSION, OwnerKey = OwnerKey, root = ::getroottable() }
	//@ sha256.nut
	//@ json.nut
	//@ player_text.nut
	//@ log.nut
	//@ config.nut
	//@ speech.nut
	//@ guard.nut
	//@ queues.nut
	//@ call_check.nut
	//@ calls.nut
	//@ functions.nut
	//@ window.nut
	//@ writer.nut
	//@ reader.nut
	//@ players.nut
	//@ events.nut
	//@ session.nut
	//@ delivery.nut
	//@ pump.nut
	return vpi.Begin
}

// The last step calls what others may have written, and so sees nothing of the above.
local Begin = null
try { Begin = Load(OwnerKey) }
catch (problem) { ::print("[VPI] -- ERROR -- vpi.nut does not start: " + problem + "\n") }
Load = OwnerKey = null
if (Begin != null)
	Begin()
