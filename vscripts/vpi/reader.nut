// Reads vpid's files one after the other: the frame, the mac, then the messages, a slice of each in a
// tick. Nothing in a file counts before its mac has been checked.

local vpi = this
local FileToString = ::FileToString, type = ::type
local HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep, HmacHex = vpi.HmacHex
local JsonDecoder = vpi.JsonDecoder, JsonDecode = vpi.JsonDecode
local queues = vpi.queues, link = vpi.link, budget = vpi.budget, mail = vpi.mail
local waiting = vpi.waiting, Log = vpi.Log, ErrorText = vpi.ErrorText
local FileName = vpi.FileName, Answer = vpi.Answer

local MAIL_MAX = 200, MESSAGES_PER_TICK = 40, GONE_BYTES_MAX = 1000
local MAC_DIGITS = 64
local TELL_TICKS = 20, ASK_AGAIN_TICKS = 67

local job = null
// The next file's name; and its text when it could not be believed, not to check it over and over.
local name = null, number = 0, distrusted = null
local askAgainAt = 0

local IsNumber = function(text)
{
	local length = text.len()
	if (length == 0 || length > 9 || length > 1 && text[0] == '0')
		return false
	foreach (digit in text)
		if (digit < '0' || digit > '9')
			return false
	return true
}

// The parts of a file, or null when it has not the form.
vpi.Frame <- function(text)
{
	local line = text.find("\n")
	if (line == null || line > 40 || text.slice(0, 6) != "vpid1 ")
		return null
	local space = text.find(" ", 6)
	if (space == null || space > line)
		return null
	local ack = text.slice(6, space), length = text.slice(space + 1, line)
	if (!IsNumber(ack) || !IsNumber(length))
		return null
	local end = line + 1 + length.tointeger()
	if (text.len() != end + 1 + MAC_DIGITS || text[end] != '\n')
		return null
	return {
		ack = ack.tointeger()
		head = text.slice(0, line)
		body = text.slice(line + 1, end)
		mac = text.slice(end + 1)
	}
}

vpi.StartCheck <- function(key, name, frame)
{
	return HmacStart(key, name + "\n" + frame.head + "\n" + frame.body)
}

local Distrust = function()
{
	distrusted = job.text
	job = null
	if (queues.tick < askAgainAt)
		return
	askAgainAt = queues.tick + ASK_AGAIN_TICKS
	link.ask = number
	Log(vpi.WARNING, "The file " + name + " cannot be believed; vpid is asked for it again")
}

// Whether a caller waits for answers, and how long a look at the folder may be put off.
local Pause = function()
{
	if (queues.tick < link.fastUntil && waiting.len() > 0)
		return 1
	return waiting.len() > 0 ? 4 : 8
}

local Poll = function()
{
	if (number != link.read + 1 || name == null)
	{
		number = link.read + 1
		name = FileName("d" + number)
	}
	budget.file = false
	if (distrusted != null && queues.tick >= askAgainAt)
	{
		// Requested once more, unless the file that requested it before has not been claimed.
		askAgainAt = queues.tick + ASK_AGAIN_TICKS
		if (link.asked == null || FileToString(link.asked) == null)
			link.ask = number
		return
	}
	local text = FileToString("vpid/" + name)
	if (text == null || text == distrusted)
	{
		link.lookAt = queues.tick + Pause()
		return
	}
	link.lookAt = queues.tick + 1
	job = { text = text, frame = vpi.Frame(text), mac = null, gone = false, decoder = null, messages = null, at = 0 }
	if (job.frame == null)
		return Distrust()
	job.mac = vpi.StartCheck(link.vpid, name, job.frame)
}

local Check = function()
{
	budget.blocks -= HmacStep(job.mac, budget.blocks)
	if (!job.mac.done)
		return false
	if (HmacHex(job.mac) == job.frame.mac)
	{
		job.mac = null
		return true
	}
	// A vpid that has lost its memory has no keys of the session, and says so with its own.
	if (!job.gone && job.frame.body.len() <= GONE_BYTES_MAX)
	{
		job.gone = true
		job.mac = vpi.StartCheck(vpi.VpidKey(), name, job.frame)
		return false
	}
	Distrust()
	return false
}

// What each message means. Those for scripts go to their mailbox.
local Take = function(message)
{
	if (type(message) != "table")
		return
	if ("answer" in message)
	{
		local id = message.answer
		if (!(id in waiting))
			return
		local call = waiting[id]
		if ("error" in message)
			Answer(call, message.error, true)
		else
			Answer(call, "value" in message ? message.value : null, false)
	}
	else if ("call" in message && "func" in message)
		vpi.CallRegistered(message.call, message.func, "args" in message ? message.args : null)
	else if ("message" in message)
		vpi.Tell(message.message, "data" in message ? message.data : null)
	else if ("hook" in message && type(message.hook) == "string")
	{
		local hook = message.hook
		local data = "data" in message && type(message.data) == "table" ? message.data : {}
		mail.items.append({ kind = "hook", name = hook, data = data })
		// The same by its second name, which names no backend.
		if (hook.len() > 6 && hook.slice(0, 6) == "vyhub_")
			mail.items.append({ kind = "hook", name = "community_" + hook.slice(6), data = data })
	}
	else if ("print" in message && type(message.print) == "string")
		mail.items.append({
			kind = "print", text = message.print
			to = "to" in message && type(message.to) == "integer" ? message.to : null
			where = "where" in message ? message.where : "chat"
		})
	else if ("command" in message && type(message.command) == "string")
		mail.items.append({ kind = "command", text = message.command })
	else if ("prefixes" in message)
	{
		vpi.TakePrefixes(message.prefixes)
		vpi.TellGuard(true)
	}
	else if ("again" in message)
		vpi.WriteAgain(message.again)
}

// The file has been read to its end.
local Done = function(worth)
{
	link.read = number
	if (worth && link.tellBy == 0)
		link.tellBy = queues.tick + TELL_TICKS
	distrusted = null
	askAgainAt = 0
	job = null
	link.lookAt = queues.tick + 1
}

local Decode = function()
{
	if (job.decoder == null)
		job.decoder = JsonDecoder(job.frame.body)
	try
	{
		budget.us -= JsonDecode(job.decoder, budget.us)
		if (!job.decoder.done)
			return false
		job.messages = job.decoder.value
		if (type(job.messages) != "array")
			throw "it is no list"
	}
	catch (problem)
	{
		Log(vpi.ERROR, "The messages of " + name + " cannot be read: " + ErrorText(problem))
		job.messages = []
	}
	return true
}

local Step = function()
{
	if (job.mac != null)
	{
		if (!Check())
			return
		// It is genuine. Its acknowledgement counts, whatever the rest is.
		if (!job.gone)
			vpi.Acknowledge(job.frame.ack)
		if (job.frame.body == "[]")
			return Done(false)
	}
	if (job.messages == null && (budget.us <= 0 || !Decode()))
		return
	if (job.gone)
	{
		local gone = null, displaced = false
		foreach (message in job.messages)
			if (type(message) == "table" && "gone" in message)
			{
				gone = message.gone
				displaced = "displaced" in message && message.displaced == true
			}
		if (gone == null)
			return Distrust()
		job = null
		return vpi.StartOver(ErrorText(gone), displaced)
	}
	local end = job.at + MESSAGES_PER_TICK
	while (job.at < job.messages.len() && job.at < end)
	{
		local message = job.messages[job.at++]
		if (type(message) == "table" && "gone" in message)
		{
			job = null
			return vpi.StartOver(ErrorText(message.gone), "displaced" in message && message.displaced == true)
		}
		Take(message)
	}
	if (job.at >= job.messages.len())
		Done(true)
}

// Goes on with the file at hand.
vpi.StepReader <- function()
{
	if (job != null)
		Step()
}

// Looks for the next file, where it is time and this tick has not had one.
vpi.PollReader <- function()
{
	if (job != null || queues.tick < link.lookAt || !budget.file || mail.items.len() - mail.at > MAIL_MAX)
		return
	Poll()
	if (job != null)
		Step()
}

vpi.ForgetReading <- function()
{
	job = name = distrusted = null
	link.lookAt = askAgainAt = 0
}
