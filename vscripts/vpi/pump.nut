// Puts the parts to work, tick by tick. Two entities think: the pump, which does what must not be
// seen and calls no other code, and after it the one that hands over to scripts.

local vpi = this
local Time = ::Time, SpawnEntityFromTable = ::SpawnEntityFromTable, AddThinkToEnt = ::AddThinkToEnt
local ValidateScriptScope = ::CBaseEntity.ValidateScriptScope, GetScriptScope = ::CBaseEntity.GetScriptScope
local GetScriptId = ::CBaseEntity.GetScriptId, IsValid = ::CBaseEntity.IsValid
local rawget = {}.rawget, rawin = {}.rawin, rawset = {}.rawset
local getdelegate = {}.getdelegate, setdelegate = {}.setdelegate
local root = vpi.root, queues = vpi.queues, budget = vpi.budget, mail = vpi.mail, shown = vpi.shown
local Log = vpi.Log, Announce = vpi.Announce, ErrorText = vpi.ErrorText
local Expire = vpi.Expire, StepSession = vpi.StepSession, StepPlayers = vpi.StepPlayers

// A tick's share: blocks of 64 bytes to hash, microseconds for JSON.
local BLOCKS = 12, CODEC_US = 150
local CHECK_TICKS = 66
// What a think function gives to be called in the next tick. The engine never calls one again whose time lies
// before the map's beginning, so it is no negative number.
local NEXT_TICK = 0.0
local FAULTS_MAX = 20

local lastTime = null, checkAt = 0, stopped = false, faults = 0
local api = { table = null, members = {} }
// What must stay where we put it: a scope, and the function there.
local thinks = []
// What each of the two entities knows of the other: whether it still thinks.
local pulse = { pump = 0, stopped = false }

local Stop = function()
{
	stopped = pulse.stopped = true
	vpi.StopSession()
}

local Check = function()
{
	local what = vpi.Tampered(api)
	foreach (think in thinks)
		if (!IsValid.call(think.entity) || !rawin.call(think.scope, "Think")
			|| rawget.call(think.scope, "Think") != think.func)
			what = "a think function"
	if (what == null)
	{
		vpi.CheckSpeech()
		return vpi.TellGuard()
	}
	// The last message to vpid: what players seem to say does not count any more.
	vpi.speech.doubt = "a script has changed " + what
	vpi.speech.silent = true
	vpi.LastWord()
	Stop()
	Announce("A script has changed " + what + ". For safety, VPI is silent until the next map")
}

local Tick = function()
{
	local tick = ++queues.tick
	budget.blocks = BLOCKS
	budget.us = CODEC_US
	budget.file = true
	Expire(tick)
	if (tick >= checkAt)
	{
		checkAt = tick + CHECK_TICKS
		Check()
		if (stopped)
			return
	}
	if (mail.running.len() > 0)
		vpi.Collect()
	if (shown.connected)
		StepPlayers()
	StepSession()
}

local Pump = function()
{
	try
	{
		// Scripts can call this, too. The game does so once in a tick.
		local now = Time()
		if (stopped || now == lastTime)
			return NEXT_TICK
		lastTime = now
		pulse.pump++
		Tick()
	}
	catch (problem)
	{
		faults++
		Log(2, "vpi.nut failed: " + ErrorText(problem))
		if (faults >= FAULTS_MAX)
			Stop()
	}
	return NEXT_TICK
}

local Deliver = vpi.DeliverSome, Listen = vpi.Listen, ShowInChat = vpi.ShowInChat
local listenAt = CHECK_TICKS, lastPulse = 0
local Hand = function()
{
	if (--listenAt <= 0)
	{
		listenAt = CHECK_TICKS
		if (pulse.pump == lastPulse && !pulse.stopped)
		{
			pulse.stopped = true
			Announce("A script has stopped the part of VPI that talks with vpid. It is silent until the next map")
		}
		lastPulse = pulse.pump
		Listen()
		ShowInChat()
	}
	Deliver()
	return NEXT_TICK
}

// Entities of this class outlive the rounds of a map.
local Thinker = function(name, func)
{
	local entity = SpawnEntityFromTable("move_rope", { targetname = name })
	ValidateScriptScope.call(entity)
	local scope = GetScriptScope.call(entity)
	rawset.call(scope, "Think", func)
	AddThinkToEnt(entity, "Think")
	thinks.append({ entity = entity, scope = scope, func = func })
	return entity
}

// When an entity goes, the game deletes the name of its scope from what the scope delegates to. A
// table in between is called.
local OnEnd = function(entity, End)
{
	local scope = GetScriptScope.call(entity), id = GetScriptId.call(entity)
	local below = getdelegate.call(scope)
	local between = setdelegate.call({}, {
		_get = function(key) { return below[key] }
		_delslot = function(key)
		{
			if (key == id)
				End()
			delete below[key]
		}
	})
	setdelegate.call(scope, between)
}

local pumper = null
local End = function()
{
	try
	{
		// Scripts can delete that name as well, but then the entity is still there.
		if (stopped || pulse.stopped || IsValid.call(pumper))
			return
		stopped = true
		vpi.EndSession()
	}
	catch (problem) { Log(2, "vpi.nut failed at the map's end: " + ErrorText(problem)) }
}

local key = vpi.OwnerKey()
local problem = null
if (key.find("PUT-THE-KEY") == 0)
	problem = "There is no key in vpi.nut yet. Run `vpid init`, or put the key of vpid.toml where OwnerKey() says so"
else if (key.len() < 32 || key.len() > 64)
	problem = "The key in vpi.nut has to have 32 to 64 characters"
else
	foreach (byte in key)
		if (byte <= 32 || byte > 126)
			problem = "The key in vpi.nut has to be of printable characters, without spaces"
key = null

if (problem == null)
{
	vpi.Protect()
	api.table = {}
	foreach (name, func in vpi.api)
	{
		rawset.call(api.table, name, func)
		rawset.call(api.members, name, func)
	}
	rawset.call(root, "VPI", api.table)
	pumper = Thinker("vpi_pump", Pump)
	OnEnd(pumper, End)
	Thinker("vpi_delivery", Hand)
}
else
{
	stopped = true
	Announce(problem)
	Thinker("vpi_notice", function() { ShowInChat(); return 5.0 })
}

// The last step of the start, which runs the owner's settings and functions that are not ours.
local configure = vpi.Configure, INFO = vpi.INFO, VERSION = vpi.VERSION, started = problem == null
local Refuse = Stop
vpi.Begin <- function()
{
	if (!started)
		return
	started = false
	if (!configure())
		return Refuse()
	Listen()
	Log(INFO, "vpi.nut " + VERSION + " waits for the server's name")
}
