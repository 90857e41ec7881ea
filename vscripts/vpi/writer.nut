// Writes the game's files: takes queued entries, encodes them, signs what fits into one file, and
// writes it, a slice of each in a tick.

local vpi = this
local HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep, HmacHex = vpi.HmacHex
local JsonEncoder = vpi.JsonEncoder, JsonEncode = vpi.JsonEncode
local queues = vpi.queues, Take = vpi.Take, Log = vpi.Log, ErrorText = vpi.ErrorText
local FailCall = vpi.FailCall, Written = vpi.Written, LogWarning = vpi.WARNING
local EVENT = vpi.EVENT, CALL = vpi.CALL, link = vpi.link, budget = vpi.budget
local FileName = vpi.FileName, WriteFile = vpi.WriteFile, Repair = vpi.Repair

local BODY_BYTES = 4096, MESSAGE_BYTES_MAX = 60000
// Files without an acknowledgement. Those that only acknowledge, or ask for a file again, may go
// beyond: otherwise both sides could wait for each other.
local WINDOW = 8, CONTROL_WINDOW = 16
local OVERTAKEN_MAX = 4

// The file in the making, and one that an urgent one has overtaken.
local job = null, parked = null

local NewJob = function(queue)
{
	return {
		queue = queue
		urgent = queue == queues.urgent
		entries = []
		texts = []
		bytes = 2
		entry = null
		encoder = null
		full = false
		overtaken = 0
		mac = null
		body = null
		text = null
		name = null
		tells = 0
		asks = 0
		empty = false
	}
}

local Reject = function(entry, reason)
{
	if (entry.kind == CALL)
		foreach (call in entry.calls)
			FailCall(call, reason)
	else
		Log(LogWarning, "Something is not sent to vpid: " + reason)
}

// Takes an encoded entry into the file, or carries it over to the next.
local Add = function(job, entry, text)
{
	if (text.len() > MESSAGE_BYTES_MAX)
		return Reject(entry, "TooLarge")
	if (job.texts.len() > 0 && job.bytes + text.len() + 1 > BODY_BYTES)
	{
		job.queue.carried = [entry, text]
		job.full = true
		return
	}
	job.entries.append(entry)
	job.texts.append(text)
	job.bytes += text.len() + 1
	job.full = job.bytes >= BODY_BYTES
}

// Encodes entries until the file is full, nothing is left, or the tick's share is used up. Gives
// whether the file can be signed.
local Fill = function(job)
{
	while (!job.full)
	{
		if (job.encoder == null)
		{
			local back = job.queue.carried
			if (back != null)
			{
				job.queue.carried = null
				Add(job, back[0], back[1])
				continue
			}
			job.entry = Take(job.queue)
			if (job.entry == null)
				return true
			if (job.entry.kind == EVENT && queues.lost > 0)
			{
				job.entries.append({ kind = EVENT })
				job.texts.append("{\"dropped\":" + queues.lost + "}")
				job.bytes += 30
				queues.lost = 0
			}
			job.encoder = JsonEncoder(job.entry.body)
			job.entry.body = null
		}
		if (budget.us <= 0)
			return false
		try { budget.us -= JsonEncode(job.encoder, budget.us) }
		catch (problem)
		{
			job.encoder = null
			Reject(job.entry, ErrorText(problem))
			continue
		}
		if (!job.encoder.done)
			return false
		local text = job.encoder.text
		job.encoder = null
		Add(job, job.entry, text)
	}
	return true
}

local Join = function(texts)
{
	local body = "["
	foreach (at, text in texts)
		body += at == 0 ? text : "," + text
	return body + "]"
}

local Sign = function(job)
{
	job.name = FileName("c" + (link.written + 1))
	job.tells = link.read
	job.asks = link.ask
	local extra = link.opening
	if (link.ask > 0)
		extra = (extra == null ? "" : extra + ",") + "{\"again\":" + link.ask + "}"
	job.text = job.body
	if (extra != null)
		job.text = "[" + extra + (job.body == "[]" ? "" : ",") + job.body.slice(1)
	job.empty = job.text == "[]"
	job.text = "vpid1 " + job.tells + " " + job.text.len() + "\n" + job.text
	job.mac = HmacStart(link.game, job.name + "\n" + job.text)
}

local Write = function(job)
{
	WriteFile(job.name, job.text + "\n" + HmacHex(job.mac), job.empty)
	link.opening = null
	if (job.asks > 0)
		link.asked = "vpid/" + job.name
	if (link.ask == job.asks)
		link.ask = 0
	link.told = job.tells
	if (link.told == link.read)
		link.tellBy = 0
	foreach (entry in job.entries)
		if (entry.kind == CALL)
			foreach (call in entry.calls)
				Written(call)
}

local Waits = function(queue) { return queue.at < queue.items.len() || queue.carried != null }

// Whether there is something to write that may be written now; then it is `job`.
local Begin = function()
{
	local open = link.written - link.acknowledged
	local room = open < WINDOW
	if (job != null)
	{
		local overtake = !job.urgent && parked == null && job.overtaken < OVERTAKEN_MAX && Waits(queues.urgent)
		if (!overtake)
			return true
		job.overtaken++
		// Its number goes to the other file, so it has to be signed again.
		job.mac = null
		parked = job
		job = NewJob(queues.urgent)
		return true
	}
	if (room)
	{
		if (Waits(queues.urgent) || parked == null && (link.opening != null || link.ask > 0))
			job = NewJob(queues.urgent)
		else if (parked != null)
		{
			job = parked
			parked = null
		}
		else if (queues.gathered.carried != null || queues.due > 0 && queues.tick >= queues.due)
			job = NewJob(queues.gathered)
		if (job != null)
			return true
	}
	local control = link.tellBy > 0 && queues.tick >= link.tellBy || link.ask > 0
	if (control && open < CONTROL_WINDOW)
	{
		job = NewJob(queues.urgent)
		job.full = true
		return true
	}
	return false
}

// Whether something urgent waits for this tick.
vpi.IsUrgent <- function()
{
	return job != null && job.urgent || Waits(queues.urgent)
}

vpi.StepWriter <- function()
{
	if (budget.file)
		Repair()
	if (!Begin())
		return
	if (job.mac == null)
	{
		if (job.body == null)
		{
			if (!Fill(job))
				return
			if (job.entries.len() == 0 && !job.full && link.opening == null && link.ask == 0)
			{
				job = null
				return
			}
			job.body = Join(job.texts)
			job.texts = null
		}
		Sign(job)
	}
	budget.blocks -= HmacStep(job.mac, budget.blocks)
	if (job.mac.done && budget.file)
	{
		Write(job)
		job = null
	}
}

// A new session begins; what was not written yet will be in it, under another number.
vpi.ForgetWriting <- function()
{
	foreach (half in [job, parked])
		if (half != null)
			half.mac = null
}

// One message, at once, and what waits stays behind: nothing more is written on this map.
vpi.WriteOnly <- function(text)
{
	if (link.written - link.acknowledged > CONTROL_WINDOW)
		return
	job = parked = null
	local file = NewJob(queues.urgent)
	file.body = "[" + text + "]"
	Sign(file)
	HmacStep(file.mac, 1000000)
	Write(file)
}

// Everything that waits, at once: the map ends. `last` is the text of the last message. As few files as
// possible, each of a size that vpid reads.
vpi.WriteAll <- function(last)
{
	local halves = [job, parked], file = null, lost = 0
	job = parked = null
	local Flush = function(filesMax)
	{
		if (link.written - link.acknowledged >= filesMax)
			return lost += file.entries.len()
		file.body += "]"
		Sign(file)
		HmacStep(file.mac, 1000000)
		Write(file)
	}
	local Put = function(entries, text)
	{
		if (file != null && file.body.len() + text.len() + 1 > MESSAGE_BYTES_MAX)
		{
			Flush(CONTROL_WINDOW)
			file = null
		}
		if (file == null)
		{
			file = NewJob(queues.urgent)
			file.body = "[" + text
		}
		else
			file.body += "," + text
		file.entries.extend(entries)
	}
	local PutJob = function(half)
	{
		budget.us = 1000000
		// What had been begun is finished, and nothing more taken.
		if (half.body == null && half.encoder != null)
		{
			half.full = false
			Fill(half)
		}
		local body = half.body == null ? Join(half.texts) : half.body
		if (body != "[]")
			Put(half.entries, body.slice(1, -1))
		return body != "[]"
	}
	foreach (half in halves)
		if (half != null)
			PutJob(half)
	foreach (queue in [queues.urgent, queues.gathered])
	{
		local more = true
		while (more)
		{
			local next = NewJob(queue)
			budget.us = 1000000
			Fill(next)
			more = PutJob(next) || Waits(queue)
		}
	}
	Put([], last)
	Flush(CONTROL_WINDOW + 1)
	if (lost > 0)
		Log(LogWarning, "The map ends while vpid is silent: " + lost + " messages are lost")
}
