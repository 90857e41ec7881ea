// What waits to be written, with a bound for each kind. Entries are plain data.
//
// Urgent entries are written at once. The others are gathered until the first of them has waited
// long enough, and then all of them go.

local vpi = this
local settings = vpi.settings

local CALLS_MAX = 1000, EVENTS_MAX = 500, OTHERS_MAX = 1000
local COMPACT_AT = 256

// What entries are, and what has become of them.
local CALL = 1, EVENT = 2, OTHER = 3
local QUEUED = 0, TAKEN = 1, DROPPED = 2
vpi.CALL <- CALL
vpi.EVENT <- EVENT
vpi.OTHER <- OTHER
vpi.QUEUED <- QUEUED
vpi.DROPPED <- DROPPED

// `items` from `at` on are still there; `carried` is one that has been encoded and did not fit into
// the last file. `due` is the tick at which the gathered ones go, 0 for none.
// `session`: entries that concern one session only say which; others are for whichever is on.
local queues = {
	tick = 0
	session = 0
	urgent = { items = [], at = 0, carried = null }
	gathered = { items = [], at = 0, carried = null }
	due = 0
	calls = 0
	events = 0
	others = 0
	// Where to look for the oldest event.
	oldest = 0
	lost = 0
}
vpi.queues <- queues

local Count = function(kind, by)
{
	if (kind == CALL)
		queues.calls += by
	else if (kind == EVENT)
		queues.events += by
	else
		queues.others += by
}

local Put = function(entry, urgent, delay)
{
	entry.state <- QUEUED
	Count(entry.kind, 1)
	if (urgent)
		return queues.urgent.items.append(entry)
	queues.gathered.items.append(entry)
	local due = queues.tick + delay
	if (queues.due == 0 || due < queues.due)
		queues.due = due
}

// Makes an entry go nowhere. Only for one that is still queued.
vpi.Drop <- function(entry)
{
	entry.state = DROPPED
	entry.body = null
	Count(entry.kind, -1)
}
local Drop = vpi.Drop

// `calls` are those inside, of which more than one make a chain. Gives whether there was room.
vpi.QueueCall <- function(body, calls, urgent)
{
	if (queues.calls >= CALLS_MAX)
		return null
	local entry = { kind = CALL, body = body, calls = calls }
	Put(entry, urgent, settings.gatherTicks)
	return entry
}

// When there are too many, the oldest goes, and the next one that is written says so.
vpi.QueueEvent <- function(body, delay = null)
{
	if (queues.events >= EVENTS_MAX)
	{
		local items = queues.gathered.items
		if (queues.oldest < queues.gathered.at)
			queues.oldest = queues.gathered.at
		while (queues.oldest < items.len())
		{
			local entry = items[queues.oldest++]
			if (entry.kind == EVENT && entry.state == QUEUED)
			{
				Drop(entry)
				queues.lost++
				break
			}
		}
	}
	local entry = { kind = EVENT, body = body }
	Put(entry, false, delay == null ? settings.gatherTicks : delay)
	return entry
}

// Results, registrations, and what the protocol itself has to say. `forSession`: not worth saying in
// another one.
vpi.QueueOther <- function(body, forSession = false)
{
	if (queues.others >= OTHERS_MAX)
		return false
	Put({ kind = OTHER, body = body, session = forSession ? queues.session : null }, true, 0)
	return true
}

// The next entry of a queue that is still worth writing, or null.
vpi.Take <- function(queue)
{
	while (queue.at < queue.items.len())
	{
		if (queue.at >= COMPACT_AT)
		{
			queue.items = queue.items.slice(queue.at)
			if (queue == queues.gathered)
				queues.oldest = queues.oldest > queue.at ? queues.oldest - queue.at : 0
			queue.at = 0
		}
		local entry = queue.items[queue.at]
		queue.items[queue.at++] = null
		if (entry.state == QUEUED)
		{
			Count(entry.kind, -1)
			entry.state = TAKEN
			if (entry.kind != OTHER || entry.session == null || entry.session == queues.session)
				return entry
		}
	}
	queue.items = []
	queue.at = 0
	if (queue == queues.gathered)
		queues.due = queues.oldest = 0
	return null
}
