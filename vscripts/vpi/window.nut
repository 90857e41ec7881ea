// The files of the session: their names, which are written and not acknowledged yet, and writing them
// again. And what a tick may cost.

local vpi = this
local StringToFile = ::StringToFile, FileToString = ::FileToString
local queues = vpi.queues

local AGAIN_TICKS = 667

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
	// The number of a file that has to be requested again, 0 for none; and the file that requested it last.
	ask = 0
	asked = null
	// The tick by which something read has to be acknowledged; 0 for nothing.
	tellBy = 0
	// Until this tick, an answer can come any moment. And the tick of the next look for a file.
	fastUntil = 0
	lookAt = 0
}
vpi.link <- link

vpi.FileName <- function(what)
{
	return link.host + "_" + link.session + "_" + what + ".interface"
}

// Files without an acknowledgement, by number.
local sent = {}
local again = []
local checkAt = 0

// Puts a file where vpid finds it, and keeps it.
vpi.WriteFile <- function(name, text, empty)
{
	budget.file = false
	StringToFile("vpid/" + name, text)
	link.written++
	link.fastUntil = queues.tick + 40
	link.lookAt = queues.tick + 1
	sent[link.written] <- { name = "vpid/" + name, file = text, tick = queues.tick, empty = empty }
	if (checkAt == 0)
		checkAt = queues.tick + AGAIN_TICKS
}

// Writes a file again that vpid could not believe, or has never seen.
vpi.Repair <- function()
{
	if (again.len() > 0)
	{
		local n = again.remove(0)
		if (!(n in sent))
			return
		budget.file = false
		StringToFile(sent[n].name, sent[n].file)
		sent[n].tick = queues.tick
		return
	}
	if (checkAt == 0 || queues.tick < checkAt)
		return
	checkAt = 0
	local oldest = null, last = 0
	// A file that says nothing needs no acknowledgement, unless others come behind it.
	foreach (n, file in sent)
		if (!file.empty && n > last)
			last = n
	foreach (n, file in sent)
	{
		if (n > last)
			continue
		if (checkAt == 0 || file.tick + AGAIN_TICKS < checkAt)
			checkAt = file.tick + AGAIN_TICKS
		if (queues.tick - file.tick >= AGAIN_TICKS && (oldest == null || n < oldest))
			oldest = n
	}
	if (oldest == null)
		return
	budget.file = false
	sent[oldest].tick = queues.tick
	if (FileToString(sent[oldest].name) == null && oldest > link.acknowledged)
		again.append(oldest)
	checkAt = queues.tick + 2
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

// A new session begins.
vpi.ForgetFiles <- function()
{
	sent.clear()
	again.clear()
	checkAt = 0
	link.written = link.acknowledged = link.read = link.told = link.tellBy = link.ask = 0
	link.asked = null
}
