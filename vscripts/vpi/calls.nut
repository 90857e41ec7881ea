// VPI.Call, VPI.AsyncCall and VPI.ChainCall: what scripts say, checked, copied and queued. And what
// becomes of a call: answered, timed out, or lost with its session.
//
// Scripts get an object for a call. What counts is the record that we keep for it; what they do to
// the object changes nothing.

local vpi = this
local getstackinfos = ::getstackinfos, type = ::type, format = ::format
local rawget = {}.rawget, rawin = {}.rawin, Weak = {}.weakref
local JsonCopy = vpi.JsonCopy, Allows = vpi.Allows, Log = vpi.Log, ErrorText = vpi.ErrorText
local queues = vpi.queues, QueueCall = vpi.QueueCall, Drop = vpi.Drop
local CALL = vpi.CALL, QUEUED = vpi.QUEUED

local TIMEOUT_S = 3.0, TIMEOUT_S_MAX = 3600.0
local FUNC_BYTES_MAX = 128, CHAIN_MAX = 100, WAITING_MAX = 4000
local SWEEP_AT = 256

local CallObject = class
{
	token = null
	func = null
	kwargs = null
	callback = null
	urgent = null
	timeout = null
}
// The class's own; scripts could give the class a constructor or another function of that name.
local Instance = (class {}).instance

// By token, until the call is sent. The objects are held weakly.
local records = {}
local sweepAt = SWEEP_AT
local lastId = 0

// Calls that were written and whose answer is awaited, by id; and calls by the tick in which their
// time is over.
local waiting = {}
local deadlines = {}
vpi.waiting <- waiting

// What is to be handed to scripts; delivery.nut does so.
local mail = { items = [], at = 0, running = [] }
vpi.mail <- mail

local IsFunction = vpi.IsFunction, WrongKey = vpi.WrongKey, IsCaller = vpi.IsCaller, Complain = vpi.Complain

local Field = function(table, key, missing)
{
	return rawin.call(table, key) ? rawget.call(table, key) : missing
}

local Ticks = function(seconds)
{
	local kind = type(seconds)
	// What is no number in sense either is not below the bound.
	if (kind != "integer" && kind != "float" || !(seconds > 0 && seconds <= TIMEOUT_S_MAX))
		seconds = TIMEOUT_S
	local ticks = (seconds * 200.0 / 3.0 + 0.5).tointeger()
	return ticks > 0 ? ticks : 1
}

local Record = function(src, func, kwargs, callback, urgent, timeout)
{
	local record = {
		src = src
		func = func
		kwargs = null
		problem = null
		callback = IsFunction(callback) ? callback : null
		urgent = urgent ? true : false
		ticks = Ticks(timeout)
	}
	try { record.kwargs = JsonCopy(kwargs, "kwargs") }
	catch (problem) { record.problem = ErrorText(problem) }
	return record
}

local MayCall = function(src, func)
{
	return type(func) == "string" && func.len() > 0 && func.len() <= FUNC_BYTES_MAX
		&& type(src) == "string" && Allows(src, func)
}

// Objects without another reference are forgotten.
local Sweep = function()
{
	local gone = []
	foreach (token, record in records)
		if (record.object == null)
			gone.append(token)
	foreach (token in gone)
		delete records[token]
	sweepAt = records.len() * 2 > SWEEP_AT ? records.len() * 2 : SWEEP_AT
}

local Make = function(src, func, kwargs, callback, urgent, timeout)
{
	local record = Record(src, func, kwargs, callback, urgent, timeout)
	local object = Instance.call(CallObject)
	lastId++
	object.token = "vpi" + lastId
	object.func = func
	object.kwargs = kwargs
	object.callback = record.callback
	object.urgent = urgent
	object.timeout = record.ticks * 3 / 200.0
	if (type(timeout) == "float" || type(timeout) == "integer")
		object.timeout = timeout
	record.object <- Weak.call(object)
	records[object.token] <- record
	if (records.len() > sweepAt)
		Sweep()
	return object
}

// The record for what a script wants sent: an object of Call, or a table. Null where that is
// refused. An object's record stays until `Use`.
local Find = function(src, arg)
{
	local kind = type(arg)
	if (kind == "table")
	{
		local func = Field(arg, "func", null)
		local wrong = arg.len() == 0 || !Allows(src, null) ? null : WrongKey(arg)
		if (wrong != null)
			Complain("A call" + (type(func) == "string" ? " of '" + func + "'" : ""), src, wrong)
		if (!MayCall(src, func))
			return null
		local record = Record(src, func, Field(arg, "kwargs", null), Field(arg, "callback", null),
			Field(arg, "urgent", false), Field(arg, "timeout", TIMEOUT_S))
		if (wrong != null)
			record.problem = wrong
		return record
	}
	if (kind != "instance" || !(arg instanceof CallObject))
		return null
	local token = arg.token
	if (type(token) != "string" || !(token in records))
		return null
	local record = records[token]
	if (record.object != arg || record.src != src || !MayCall(src, record.func))
		return null
	record.token <- token
	return record
}

// Script files whose texts are texts to the database, too.
local plain = {}

local Use = function(record)
{
	if ("token" in record)
		delete records[record.token]
}

local Deadline = function(tick, call)
{
	if (tick in deadlines)
		deadlines[tick].append(call)
	else
		deadlines[tick] <- [call]
}

vpi.Answer <- function(call, response, error)
{
	call.open = false
	if (call.id in waiting)
		delete waiting[call.id]
	if (error)
		Log(call.callback == null ? vpi.WARNING : vpi.DEBUG, call.func + " for " + call.src + ": " + ErrorText(response))
	if (call.callback != null)
		mail.items.append({
			kind = "callback", func = call.callback, a = response, b = error
			about = " (it is the callback of a call of " + call.func + " in line " + call.line + ")"
		})
}
local Answer = vpi.Answer

vpi.FailCall <- function(call, reason)
{
	Answer(call, "[VPI ERROR] (" + call.func + ") :: " + reason, true)
}
local FailCall = vpi.FailCall

// Queues records as one call, or as a chain. Gives true or null, as AsyncCall does.
local Send = function(records, callback, urgent, line)
{
	local bodies = [], call = null, ticks = 0
	foreach (at, record in records)
	{
		local last = at == records.len() - 1
		ticks += record.ticks
		call = { id = ++lastId, func = record.func, src = record.src, callback = callback, line = line, ticks = ticks, until = 0, open = true, entry = null }
		if (record.problem != null)
		{
			if (callback == null)
				Log(vpi.WARNING, record.func + " for " + record.src + " is not sent: " + record.problem)
			else
				FailCall(call, record.problem)
			return callback == null ? null : true
		}
		local body = {
			call = call.id
			func = record.func
			kwargs = record.kwargs
			script = record.src
			wait = last && callback != null
			timeout_ms = record.ticks * 15
		}
		// To scripts of the stock client, a text among the values is SQL.
		if (record.func.find("VPI_DB_User") == 0 && !(record.src in plain))
			body.texts <- "sql"
		bodies.append(body)
	}
	if (waiting.len() < WAITING_MAX)
		call.entry = QueueCall(bodies.len() == 1 ? bodies[0] : { chain = bodies }, [call], urgent)
	if (call.entry == null)
	{
		FailCall(call, "QueueFull")
		return callback == null ? null : true
	}
	// A call whose caller waits, and that has not been written by then, never is.
	if (callback != null)
		Deadline(queues.tick + ticks + vpi.settings.gatherTicks, call)
	return true
}

// A call was written in this tick.
vpi.Written <- function(call)
{
	if (call.callback == null)
		return
	waiting[call.id] <- call
	call.until = queues.tick + call.ticks
	Deadline(call.until, call)
}

vpi.Expire <- function(tick)
{
	if (!(tick in deadlines))
		return
	local calls = deadlines[tick]
	delete deadlines[tick]
	foreach (call in calls)
	{
		if (!call.open)
			continue
		if (call.entry.state == QUEUED)
			Drop(call.entry)
		else if (!(call.id in waiting) || call.until > tick)
			continue
		Answer(call, "[VPI ERROR] TIMEOUT", true)
	}
}

// No answer will come for what was written.
vpi.LoseSession <- function()
{
	local lost = []
	foreach (call in waiting)
		lost.append(call)
	foreach (call in lost)
		FailCall(call, "SessionLost")
}

local Source = function(info) { return info == null ? "?" : info.src }

local Refuse = function(what, info, func)
{
	local name = type(func) == "string" ? " of '" + func + "'" : ""
	Log(vpi.DEBUG, what + name + " from script '" + Source(info) + "' was refused")
	return null
}

// The functions for scripts. None of them calls back into a script while it runs, and none throws.
vpi.api <- {}
local api = vpi.api

api.Call <- function(func, kwargs = null, callback = null, urgent = false, timeout = 3.0)
{
	try
	{
		local info = getstackinfos(2)
		if (!IsCaller("VPI.Call", info, callback) || !MayCall(info.src, func))
			return Refuse("VPI.Call", info, func)
		return Make(info.src, func, kwargs, callback, urgent, timeout)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Call: " + ErrorText(problem)) }
}

api.AsyncCall <- function(table_or_call)
{
	try
	{
		local info = getstackinfos(2)
		local callback = type(table_or_call) == "table" ? Field(table_or_call, "callback", null) : null
		local record = IsCaller("VPI.AsyncCall", info, callback) ? Find(info.src, table_or_call) : null
		if (record == null)
			return Refuse("VPI.AsyncCall", info, null)
		Use(record)
		return Send([record], record.callback, record.urgent, info.line)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.AsyncCall: " + ErrorText(problem)) }
}

api.PlainTexts <- function()
{
	try
	{
		local info = getstackinfos(2)
		if (info == null || !Allows(info.src, null))
			return Refuse("VPI.PlainTexts", info, null)
		plain[info.src] <- true
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.PlainTexts: " + ErrorText(problem)) }
}

api.ChainCall <- function(calls, callback = null, urgent = false)
{
	try
	{
		local info = getstackinfos(2), found = []
		if (!IsCaller("VPI.ChainCall", info, callback) || type(calls) != "array" || calls.len() == 0 || calls.len() > CHAIN_MAX)
			return Refuse("VPI.ChainCall", info, null)
		for (local i = 0; i < calls.len(); i++)
		{
			local record = Find(info.src, calls[i])
			// Nothing is sent twice, in one chain neither.
			if (record == null || found.find(record) != null)
				return Refuse("VPI.ChainCall", info, null)
			found.append(record)
		}
		foreach (record in found)
			Use(record)
		return Send(found, IsFunction(callback) ? callback : null, urgent ? true : false, info.line)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.ChainCall: " + ErrorText(problem)) }
}
