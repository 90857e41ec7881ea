// Looks for what vpi.nut has to hide: goes through the variables of all functions on the stack, and
// through everything that can be reached from there. Not what is in closures; no script can.

// What is replaced later by a test is not what looks.
local getstackinfos = ::getstackinfos, type = ::type, getroottable = ::getroottable

::found <- []
::looks <- 0
::visible <- {}
::Secret <- @() "0123456789abcdef" + "ghijklmnopqrstuvwxyzABCD"

local NATIVES = ["StringToFile", "FileToString", "compilestring", "Say", "SendGlobalGameEvent", "EntFireByHandle", "setdebughook", "resurrectunreachable"]
local TABLES = ["OwnerKey", "inner", "outer", "gathered", "urgentQueue", "session", "items", "records", "acknowledged", "texts", "hash", "src", "scripts", "api"]

::Note <- function(path, what)
{
	if (::found.len() < 50)
		::found.append(path + ": " + what)
}

::Visit <- function(value, path, seen, depth)
{
	if (depth > 12 || seen.len() > 5000)
		return
	local kind = type(value)
	if (kind == "string")
	{
		if (value.find(::Secret()) != null)
			::Note(path, "the key")
		return
	}
	if (kind == "native function" || kind == "function")
	{
		local infos = value.getinfos()
		if (infos.native && NATIVES.find(infos.name) != null)
			::Note(path, "the native " + infos.name)
		if (!infos.native)
			foreach (i, default_value in infos.defparams)
				::Visit(default_value, path + "=" + i, seen, depth + 1)
		return
	}
	if (kind != "table" && kind != "array" && kind != "instance" && kind != "class" || value in seen)
		return
	seen[value] <- true
	if (kind == "instance")
		return ::Visit(value.getclass(), path + ".class", seen, depth + 1)
	if (kind == "table")
	{
		foreach (name in TABLES)
			if (path.find("spied") == null && {}.rawin.call(value, name) && value != getroottable())
				::Note(path, "a table with " + name)
		local delegate = {}.getdelegate.call(value)
		if (delegate != null)
			::Visit(delegate, path + ".delegate", seen, depth + 1)
	}
	foreach (key, member in value)
		::Visit(member, path + "." + key, seen, depth + 1)
}

// From the function that calls it, outwards.
::Spy <- function(path = "stack")
{
	::looks++
	local seen = {}
	seen[getroottable()] <- true
	seen[::found] <- true
	seen[::visible] <- true
	for (local level = 2; level < 60; level++)
	{
		local infos = getstackinfos(level)
		if (infos == null)
			break
		if (infos.src != "vpi.nut")
			continue
		::visible[infos.func + ":" + infos.line] <- infos.locals
		foreach (name, value in infos.locals)
			::Visit(value, path + " " + infos.func + ":" + infos.line + " " + name, seen, 0)
	}
}

::SpyRoot <- function()
{
	::looks++
	::Visit(getroottable(), "root", {}, 0)
}

// Calls everything that can be called on the stack, with unexpected arguments.
::calling <- false
::CallAll <- function()
{
	// Not from what is called here, again and again.
	if (::calling)
		return
	::calling = true
	for (local level = 2; level < 60; level++)
	{
		local infos = getstackinfos(level)
		if (infos == null)
			break
		if (infos.src != "vpi.nut")
			continue
		foreach (name, value in infos.locals)
		{
			if (type(value) != "function")
				continue
			foreach (args in [[null], [{}], [::evil, ::evil], [::evil, ::evil, ::evil], [::evil, "x", null, 5]])
				try { value.acall(args) } catch (_) {}
		}
	}
	::calling = false
}

// Whatever is done with it, the spy looks.
::Evil <- function()
{
	local look = function(...) { ::Spy("evil"); return null }
	local fail = function(...) { ::Spy("evil"); throw "evil" }
	return {}.setdelegate({
		_get = fail, _set = look, _newslot = look, _delslot = look, _call = look, _typeof = @() (::Spy("typeof"), "string")
		_tostring = function() { ::Spy("tostring"); return "text" }
		_nexti = look, _cmp = @(other) (::Spy("cmp"), 0), _add = look, _sub = look, _mul = look, _div = look
		_modulo = look, _unm = look, _cloned = look
	})
}
::evil <- ::Evil()

class ::EvilClass
{
	token = "vpi1"
	func = "VPI_Ping"
	function _typeof() { ::Spy("class typeof"); return "table" }
	function _tostring() { ::Spy("class tostring"); return "VPI_Ping" }
	function _get(key) { ::Spy("class get"); return "VPI_Ping" }
	function _nexti(before) { ::Spy("class nexti"); return null }
	function _cmp(other) { ::Spy("class cmp"); return 0 }
	function _call(...) { ::Spy("class call") }
}
