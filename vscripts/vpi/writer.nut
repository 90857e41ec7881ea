// Writes the game's files: takes queued entries, encodes them, signs what fits into one file, and
// writes it, a slice of each in a tick. Keeps what vpid has not acknowledged.

local vpi = this
local StringToFile = ::StringToFile, FileToString = ::FileToString
local HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep, HmacHex = vpi.HmacHex
local JsonEncoder = vpi.JsonEncoder, JsonEncode = vpi.JsonEncode
local queues = vpi.queues, Take = vpi.Take, Log = vpi.Log, ErrorText = vpi.ErrorText
local FailCall = vpi.FailCall, Written = vpi.Written, LogWarning = vpi.WARNING
local EVENT = vpi.EVENT, CALL = vpi.CALL

local BODY_BYTES = 4096, MESSAGE_BYTES_MAX = 60000
// Of the 8 files that may be without an acknowledgement, the last is kept for one that only
// acknowledges. Otherwise both sides could wait for each other.
local WINDOW = 7
local AGAIN_TICKS = 667
local OVERTAKEN_MAX = 4

// What this tick may still cost: blocks to hash, microseconds of encoding, whether a file may be
// read or written.
local budget = { blocks = 0, us = 0, file = true }
vpi.budget <- budget

local link = {
	host = ""
	session = ""
	// Keys of the session: game to vpid, and vpid to game.
	game = null
	vpid = null
	// Numbers of files: written, acknowledged, read; and what the last written file acknowledged.
	written = 0
	acknowledged = 0
	read = 0
	told = 0
	// What the first file of a session begins with, encoded; then null.
	opening = null
	// The tick by which something read has to be acknowledged; 0 for nothing.
	tellBy = 0
	// Until this tick, an answer can come any moment. And the tick of the next look for a file.
	fastUntil = 0
	lookAt = 0
}
vpi.link <- link

// Files without an acknowledgement, by number.
local sent = {}
local again = []
local checkAt = 0

// The file in the making, and one that an urgent one has overtaken.
local job = null, parked = null

vpi.FileName <- function(what)
{
	return link.host + "_" + link.session + "_" + what + ".interface"
}
local FileName = vpi.FileName

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
	job.text = job.body
	if (link.opening != null)
		job.text = "[" + link.opening + (job.body == "[]" ? "" : ",") + job.body.slice(1)
	job.text = "vpid1 " + job.tells + " " + job.text.len() + "\n" + job.text
	job.mac = HmacStart(link.game, job.name + "\n" + job.text)
}

local Write = function(job)
{
	local file = job.text + "\n" + HmacHex(job.mac)
	budget.file = false
	StringToFile("vpid/" + job.name, file)
	link.written++
	link.opening = null
	link.told = job.tells
	if (link.told == link.read)
		link.tellBy = 0
	link.fastUntil = queues.tick + 40
	link.lookAt = queues.tick + 1
	sent[link.written] <- { name = "vpid/" + job.name, file = file, tick = queues.tick, empty = job.body == "[]" }
	if (checkAt == 0)
		checkAt = queues.tick + AGAIN_TICKS
	foreach (entry in job.entries)
		if (entry.kind == CALL)
			foreach (call in entry.calls)
				Written(call)
}

local Waits = function(queue) { return queue.at < queue.items.len() || queue.carried != null }

// Whether there is something to write that may be written now; then it is `job`.
local Begin = function()
{
	local room = link.written - link.acknowledged < WINDOW
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
		if (Waits(queues.urgent) || link.opening != null && parked == null)
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
	if (link.tellBy > 0 && queues.tick >= link.tellBy && link.written - link.acknowledged <= WINDOW)
	{
		job = NewJob(queues.urgent)
		job.full = true
		return true
	}
	return false
}

// Writes a file again that vpid could not believe, or has never seen. Gives whether it did.
local Repair = function()
{
	if (again.len() > 0)
	{
		local n = again.remove(0)
		if (!(n in sent))
			return false
		budget.file = false
		StringToFile(sent[n].name, sent[n].file)
		sent[n].tick = queues.tick
		return true
	}
	if (checkAt == 0 || queues.tick < checkAt)
		return false
	checkAt = 0
	local oldest = null
	foreach (n, file in sent)
	{
		if (file.empty)
			continue
		if (checkAt == 0 || file.tick + AGAIN_TICKS < checkAt)
			checkAt = file.tick + AGAIN_TICKS
		if (queues.tick - file.tick >= AGAIN_TICKS && (oldest == null || n < oldest))
			oldest = n
	}
	if (oldest == null)
		return false
	budget.file = false
	sent[oldest].tick = queues.tick
	if (FileToString(sent[oldest].name) == null && oldest > link.acknowledged)
		again.append(oldest)
	checkAt = queues.tick + 2
	return true
}

// Whether something urgent waits for this tick.
vpi.IsUrgent <- function()
{
	return job != null && job.urgent || Waits(queues.urgent)
}

vpi.StepWriter <- function()
{
	if (budget.file && (again.len() > 0 || checkAt > 0 && queues.tick >= checkAt))
		Repair()
	if (!Begin())
		return
	if (job.mac == null)
	{
		if (job.body == null)
		{
			if (!Fill(job))
				return
			if (job.entries.len() == 0 && !job.full && link.opening == null)
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

// vpid has read all up to this one.
vpi.Acknowledge <- function(n)
{
	if (n > link.written)
		return
	while (link.acknowledged < n)
	{
		link.acknowledged++
		if (link.acknowledged in sent)
			delete sent[link.acknowledged]
	}
}

vpi.WriteAgain <- function(n)
{
	if (n in sent && again.find(n) == null)
		again.append(n)
}

// Everything that waits, at once: the map ends. `last` is the text of the last message.
vpi.WriteAll <- function(last)
{
	local pieces = []
	local Finish = function(half)
	{
		if (half == null)
			return
		if (half.body != null)
			pieces.append([half.entries, half.body.slice(1, -1)])
		else
		{
			half.full = false
			budget.us = 1000000
			if (half.encoder != null)
				Fill(half)
			pieces.append([half.entries, Join(half.texts).slice(1, -1)])
		}
	}
	Finish(job)
	Finish(parked)
	job = parked = null
	foreach (queue in [queues.urgent, queues.gathered])
	{
		local rest = null
		do
		{
			budget.us = 1000000
			rest = NewJob(queue)
			Fill(rest)
			if (rest.entries.len() > 0)
				pieces.append([rest.entries, Join(rest.texts).slice(1, -1)])
		}
		while (rest.entries.len() > 0 || queue.carried != null)
	}
	pieces.append([[], last])
	// As few files as possible, each of a size that vpid reads.
	local file = null, lost = 0
	local Flush = function(filesMax)
	{
		if (link.written - link.acknowledged >= filesMax)
		{
			lost += file.entries.len()
			return
		}
		file.body += "]"
		Sign(file)
		HmacStep(file.mac, 1000000)
		Write(file)
	}
	foreach (piece in pieces)
	{
		if (piece[1] == "")
			continue
		if (file != null && file.body.len() + piece[1].len() + 1 > MESSAGE_BYTES_MAX)
		{
			Flush(8)
			file = null
		}
		if (file == null)
		{
			file = NewJob(queues.urgent)
			file.body = "[" + piece[1]
		}
		else
			file.body += "," + piece[1]
		file.entries.extend(piece[0])
	}
	Flush(9)
	if (lost > 0)
		Log(LogWarning, "The map ends while vpid is silent: " + lost + " messages are lost")
}

// A new session begins; what was not written yet will be in it.
vpi.ForgetFiles <- function()
{
	sent.clear()
	again.clear()
	checkAt = 0
	link.written = link.acknowledged = link.read = link.told = link.tellBy = 0
	foreach (half in [job, parked])
		if (half != null)
			half.mac = null
}
