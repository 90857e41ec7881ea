// What vpid can call here, what it can say to scripts, and what scripts can say to it unasked.

local vpi = this
local getstackinfos = ::getstackinfos, type = ::type
local JsonCopy = vpi.JsonCopy, Allows = vpi.Allows, Log = vpi.Log, ErrorText = vpi.ErrorText
local IsFunction = vpi.IsFunction, Once = vpi.Once, QueueEvent = vpi.QueueEvent, QueueOther = vpi.QueueOther
local queues = vpi.queues, mail = vpi.mail, api = vpi.api

local NAME_BYTES_MAX = 128, NAMES_MAX = 256, LISTENERS_MAX = 32
local BODY_BYTES_MAX = 60000

// Functions by name, with the script file they belong to, and what an error in one says of it.
local registered = {}
vpi.registered <- registered
// Lists of [script file, function, what an error in it says of it] by name of the message.
local listeners = {}

// How the session stands, as scripts are shown it.
local shown = { connected = false, host = null, vpid = null }
vpi.shown <- shown

local IsName = function(value)
{
	return type(value) == "string" && value.len() > 0 && value.len() <= NAME_BYTES_MAX
}

// The file of the caller of the function that got these infos; null when it may not use VPI.
local Caller = function(info)
{
	return info != null && Allows(info.src, null) ? info.src : null
}

local Refuse = function(what, src, why)
{
	Log(vpi.DEBUG, what + (src == null ? "" : " from script '" + src + "'") + " was refused: " + why)
	return null
}

// The script has a mistake that it should know of.
local Warn = function(what, src, why)
{
	Once(vpi.WARNING, what + " of " + src + ": " + why)
	return null
}

// What is wrong with what a script gives to Register or On, or null.
local Wrong = function(name, func)
{
	if (!IsName(name))
		return "a name is a text of 1 to " + NAME_BYTES_MAX + " bytes"
	return IsFunction(func) ? null : name + " needs a function, not a value of type " + type(func)
}

api.Register <- function(name, func)
{
	try
	{
		local info = getstackinfos(2), src = Caller(info), wrong = Wrong(name, func)
		if (src == null)
			return Refuse("VPI.Register", src, "a script file that may is wanted")
		if (wrong != null)
			return Warn("VPI.Register", src, wrong)
		local known = name in registered
		if (known && registered[name].src != src)
			return Warn("VPI.Register", src, name + " belongs to " + registered[name].src + "; choose another name")
		if (!known && registered.len() >= NAMES_MAX)
			return Warn("VPI.Register", src, "there are " + NAMES_MAX + " names already")
		local about = " (registered as '" + name + "' in line " + info.line + " of " + src + ")"
		registered[name] <- { src = src, func = func, about = about }
		// A session that begins later says it by itself.
		if (!known && shown.connected)
			QueueOther({ register = name, script = src }, true)
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Register: " + ErrorText(problem)) }
}

api.Unregister <- function(name)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || type(name) != "string" || !(name in registered) || registered[name].src != src)
			return Refuse("VPI.Unregister", src, "that is no function of this script")
		delete registered[name]
		if (shown.connected)
			QueueOther({ unregister = name }, true)
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Unregister: " + ErrorText(problem)) }
}

api.On <- function(name, func)
{
	try
	{
		local info = getstackinfos(2), src = Caller(info), wrong = Wrong(name, func)
		if (src == null)
			return Refuse("VPI.On", src, "a script file that may is wanted")
		if (wrong != null)
			return Warn("VPI.On", src, wrong)
		if (!(name in listeners))
		{
			if (listeners.len() >= NAMES_MAX)
				return Warn("VPI.On", src, "there are " + NAMES_MAX + " names already")
			listeners[name] <- []
		}
		local list = listeners[name]
		foreach (listener in list)
			if (listener[1] == func)
				return true
		if (list.len() >= LISTENERS_MAX)
			return Warn("VPI.On", src, name + " has " + LISTENERS_MAX + " functions already")
		list.append([src, func, " (it listens to '" + name + "' by VPI.On in line " + info.line + " of " + src + ")"])
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.On: " + ErrorText(problem)) }
}

api.Off <- function(name, func)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || type(name) != "string" || !(name in listeners))
			return Refuse("VPI.Off", src, "nothing listens to that")
		local list = listeners[name]
		foreach (at, listener in list)
		{
			if (listener[1] != func || listener[0] != src)
				continue
			list.remove(at)
			if (list.len() == 0)
				delete listeners[name]
			return true
		}
		return Refuse("VPI.Off", src, "that function of this script does not listen")
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Off: " + ErrorText(problem)) }
}

api.Emit <- function(event, data = null)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || !IsName(event))
			return Refuse("VPI.Emit", src, "a name is wanted, and a script file that may")
		local copy = null
		try { copy = JsonCopy(data, "data") }
		catch (problem)
		{
			Log(vpi.WARNING, "VPI.Emit of '" + event + "' by " + src + " is not sent: " + ErrorText(problem))
			return null
		}
		QueueEvent({ emit = event, data = copy, script = src })
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Emit: " + ErrorText(problem)) }
}

api.Status <- function()
{
	try
	{
		return {
			connected = shown.connected
			host = shown.host
			version = vpi.VERSION
			vpid = shown.vpid
			queued = queues.calls
			waiting = vpi.waiting.len()
			events = queues.events
			lost_events = queues.lost
		}
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Status: " + ErrorText(problem)) }
}

// ---- For the other parts

// vpid calls a function by its name.
vpi.CallRegistered <- function(id, name, args)
{
	if (type(name) == "string" && name in registered)
	{
		local known = registered[name]
		// Who runs can see the item, so it does not say more than that one needs to know.
		local item = {
			kind = "call", func = known.func, a = args, about = known.about
			done = false, value = null, error = null
		}
		mail.items.append(item)
		mail.running.append({ item = item, id = id, name = name, session = queues.session })
	}
	else
		QueueOther({ result = id, error = "[VPI ERROR] (" + name + ") :: NotRegistered" }, true)
}

// Posts the results of functions that have run.
vpi.Collect <- function()
{
	local running = mail.running
	mail.running = []
	foreach (call in running)
	{
		local item = call.item
		if (!item.done)
		{
			mail.running.append(call)
			continue
		}
		if (call.session != queues.session)
			continue
		local error = item.error, value = null
		if (error == null)
		{
			try { value = JsonCopy(item.value, "result") }
			catch (problem) { error = ErrorText(problem) }
		}
		if (error == null)
			QueueOther({ result = call.id, value = value }, true)
		else
			QueueOther({ result = call.id, error = "[VPI ERROR] (" + call.name + ") :: " + ErrorText(error) }, true)
	}
}

vpi.Tell <- function(name, data)
{
	if (type(name) != "string" || !(name in listeners))
		return
	foreach (listener in listeners[name])
		mail.items.append({ kind = "callback", func = listener[1], a = data, about = listener[2] })
}
