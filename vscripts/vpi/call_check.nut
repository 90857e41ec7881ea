// What is wrong with a call that a script wants to make, in words: keys that no call has, and a caller who
// is unknown.

local vpi = this
local type = ::type, Infos = (function() {}).getinfos, Log = vpi.Log

vpi.IsFunction <- function(value)
{
	local kind = type(value)
	return kind == "function" || kind == "native function"
}

local KEYS = ["func", "kwargs", "callback", "urgent", "timeout"]
local SAID_MAX = 64

// Whether two words differ by a letter that is missing, another one, or two that have changed places.
local Near = function(a, b)
{
	if (a.len() > b.len())
	{
		local longer = a
		a = b
		b = longer
	}
	if (b.len() - a.len() > 1)
		return false
	local at = 0
	while (at < a.len() && a[at] == b[at])
		at++
	local rest = a.slice(at)
	if (a.len() < b.len())
		return rest == b.slice(at + 1)
	if (at == a.len() || rest.slice(1) == b.slice(at + 1))
		return true
	return rest.len() > 1 && rest[0] == b[at + 1] && rest[1] == b[at] && rest.slice(2) == b.slice(at + 2)
}

local Meant = function(word)
{
	word = word.tolower()
	foreach (key in KEYS)
		if (Near(word, key) || word.len() > 1 && (key.find(word) == 0 || word.find(key) == 0))
			return key
	return null
}

// What is wrong with the keys of a call's table, or null.
vpi.WrongKey <- function(call)
{
	foreach (key, value in call)
	{
		if (type(key) != "string")
			return "a call has no key of type " + type(key)
		if (KEYS.find(key) != null)
			continue
		local shown = key.len() > 32 ? key.slice(0, 32) : key
		local meant = Meant(key)
		if (meant != null)
			return "unknown key '" + shown + "' of a call; did you mean '" + meant + "'?"
		return "unknown key '" + shown + "' of a call, which has func, kwargs, callback, urgent and timeout"
	}
	return null
}

local said = {}

// Says it once.
vpi.Once <- function(level, text)
{
	if (text in said || said.len() >= SAID_MAX)
		return
	said[text] <- null
	Log(level, text)
}
local Once = vpi.Once

// A call is refused for something that its script should know of.
vpi.Complain <- function(what, src, problem)
{
	Once(vpi.ERROR, what + " of " + src + " is not sent: " + problem)
}

// The file in which a function stands, or null for one of the game's.
local FileOf = function(func)
{
	try
	{
		local infos = Infos.call(func)
		return infos.native ? null : infos.src
	}
	catch (_) { return null }
}

// Whether the caller is known: by the place from which it is called, and by the callback, which stands
// in the same file. A call in a `return` takes the place of the function that makes it, so its caller would
// count as the caller of that one.
vpi.IsCaller <- function(what, info, callback)
{
	local file = vpi.IsFunction(callback) ? FileOf(callback) : null
	if (info == null)
	{
		Once(vpi.WARNING, what + (file == null ? "" : " of " + file) + " is refused: who calls cannot be told. Where"
			+ " it stands in a `return`, put what it gives into a variable first")
		return false
	}
	if (file == null || file == info.src)
		return true
	Once(vpi.WARNING, what + " of " + info.src + " is refused: its callback stands in " + file + ". Let each file"
		+ " make its own calls; where the call stands in a `return`, put what it gives into a variable first")
	return false
}
