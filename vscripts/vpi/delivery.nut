// Hands over to scripts what came for them: callbacks, calls of registered functions, messages,
// hooks, texts for players. The only place, besides the start, from which code of others is run.
//
// Who runs can look at the functions that wait for it. So there are only two of ours below it:
// `Think`, which knows a function that hands over the next item, and `Deliver`, which knows that one
// item. `Next`, which knows all of them, has been left by then: a call in a `return` takes the place
// of the function that makes it.

local vpi = this
local type = ::type, ClientPrint = ::ClientPrint, GetPlayerFromUserID = ::GetPlayerFromUserID
local SendToServerConsole = ::SendToServerConsole, FireScriptHook = ::FireScriptHook
local root = vpi.root, mail = vpi.mail, Log = vpi.Log, ErrorText = vpi.ErrorText
local Infos = (function() {}).getinfos, ForClientPrint = vpi.ForClientPrint

local ITEMS_PER_TICK = 10, COMPACT_AT = 256
local PLACES = { chat = 3, center = 4, console = 2 }

local Name = function(func)
{
	local about = Infos.call(func)
	local name = type(about.name) == "string" ? about.name : "a function"
	return "src" in about ? name + " of " + about.src : name
}

local Print = function(item)
{
	local player = null
	if (item.to != null)
	{
		player = GetPlayerFromUserID(item.to)
		if (player == null)
			return
	}
	ClientPrint(player, item.where in PLACES ? PLACES[item.where] : 3, ForClientPrint(item.text))
}

local Deliver = function(item)
{
	try
	{
		local kind = item.kind
		if (kind == "callback")
		{
			if ("b" in item)
				item.func.pcall(root, item.a, item.b)
			else
				item.func.pcall(root, item.a)
		}
		else if (kind == "call")
			item.value = item.func.pcall(root, item.a)
		else if (kind == "hook")
			FireScriptHook(item.name, item.data)
		else if (kind == "print")
			Print(item)
		else if (kind == "command")
			SendToServerConsole(item.text)
	}
	catch (problem)
	{
		local text = ErrorText(problem)
		if ("func" in item)
			Log(4, Name(item.func) + " ended with an error: " + text + ("about" in item ? item.about : ""))
		else
			Log(4, "A " + item.kind + " of vpid failed: " + text)
		if (item.kind == "call")
			item.error = text
	}
	if ("done" in item)
		item.done = true
	return true
}

// Gives whether there was something.
local Next = function()
{
	if (mail.at >= mail.items.len())
	{
		if (mail.at > 0)
		{
			mail.items = []
			mail.at = 0
		}
		return false
	}
	if (mail.at >= COMPACT_AT)
	{
		mail.items = mail.items.slice(mail.at)
		mail.at = 0
	}
	local item = mail.items[mail.at]
	mail.items[mail.at++] = null
	return Deliver(item)
}

vpi.DeliverSome <- function()
{
	for (local i = 0; i < ITEMS_PER_TICK; i++)
		if (!Next())
			break
}
