// Who is on this server: found when they enter or when we start, reported once the game knows their
// id, and listed in a heartbeat. Asks functions of the game only.

local vpi = this
local Entities = ::Entities, FindByClassname = ::Entities.FindByClassname
local NetProps = ::NetProps, GetPropString = ::NetProps.GetPropString, GetPropIntArray = ::NetProps.GetPropIntArray
local GetPlayerFromUserID = ::GetPlayerFromUserID, PlayerInstanceFromIndex = ::PlayerInstanceFromIndex
local IsValid = ::CBaseEntity.IsValid, EntityIndex = ::CBaseEntity.entindex, format = ::format, MaxClients = ::MaxClients, GetMapName = ::GetMapName, Time = ::Time, type = ::type
local queues = vpi.queues, settings = vpi.settings, QueueEvent = vpi.QueueEvent, QUEUED = vpi.QUEUED

local ASK_TICKS = 16, ASK_FOR_TICKS = 4000
local PLAYERS_PER_TICK = 3

// By userid: { userid, name, id, bot, since (tick), told (what was queued about it) }.
local players = {}
// Those whose id is not known yet, by userid.
local unknown = {}
local askAt = 0
// The heartbeat in the making: the next slot, and who was found.
local heartbeat = null, heartbeatAt = 0
local manager = null

local Read = function(player, property)
{
	local text = GetPropString.call(NetProps, player, property)
	return type(text) == "string" ? text : ""
}

local Manager = function()
{
	// What scripts hold becomes void when an entity goes, and is then found again.
	if (manager == null || !IsValid.call(manager))
		manager = FindByClassname.call(Entities, null, "tf_player_manager")
	return manager
}

local OfSlot = function(property, slot)
{
	local value = GetPropIntArray.call(NetProps, manager, property, slot)
	return type(value) == "integer" ? value : 0
}

// The id of a player, or empty as long as it is not sure. The number of the account is the engine's, which
// renews it ten times a second; the text is a copy that can be empty, or of before the player was known.
local Id = function(player)
{
	local text = Read(player, "m_szNetworkIDString")
	if (text == "BOT")
		return text
	local account = Manager() == null ? -1 : OfSlot("m_iAccountID", EntityIndex.call(player))
	local known = text.find("[U:1:") == 0
	// Games that have no such number give -1.
	if (account == 0 || account == -1)
		return known && account == -1 ? text : ""
	local id = format("[U:1:%u]", account & 0xffffffff)
	return known && text != id ? "" : id
}

// Looks a player up again; reports them once the id is there.
local Ask = function(known)
{
	local player = GetPlayerFromUserID(known.userid)
	if (player == null)
		return
	local name = Read(player, "m_szNetname")
	if (name != "")
		known.name = name
	local id = Id(player)
	if (id == "")
		return
	known.id = id
	known.bot = id == "BOT"
	if (known.userid in unknown)
		delete unknown[known.userid]
	if (known.told == null)
		known.told = QueueEvent({ event = "player_active", data = { userid = known.userid, name = known.name, id = id, bot = known.bot } }, 4)
}

// A player is in the game.
vpi.See <- function(userid)
{
	if (userid <= 0)
		return null
	if (!(userid in players))
	{
		players[userid] <- { userid = userid, name = "", id = "", bot = false, since = queues.tick, told = null }
		unknown[userid] <- players[userid]
	}
	local known = players[userid]
	if (known.told == null)
		Ask(known)
	return known
}

// Forgets a player, and gives what was known.
vpi.Leave <- function(userid)
{
	if (userid in unknown)
		delete unknown[userid]
	return userid in players ? delete players[userid] : null
}

// One player of the heartbeat.
local Gather = function(slot)
{
	if (PlayerInstanceFromIndex(slot) == null)
		return
	local known = vpi.See(OfSlot("m_iUserID", slot))
	if (known == null)
		return
	if (known.id == "")
		Ask(known)
	heartbeat.players.append({
		userid = known.userid
		name = known.name
		id = known.id
		bot = known.bot
		team = OfSlot("m_iTeam", slot),
		["class"] = OfSlot("m_iPlayerClass", slot)
		score = OfSlot("m_iTotalScore", slot)
		ping = OfSlot("m_iPing", slot)
		alive = OfSlot("m_bAlive", slot) != 0
		seconds = (queues.tick - known.since) * 3 / 200
	})
}

// A session has begun: vpid is told of all that are on.
vpi.StartPlayers <- function()
{
	foreach (known in players)
		// What is still queued goes to this session.
		if (known.told != null && known.told.state != QUEUED)
		{
			known.told = null
			unknown[known.userid] <- known
		}
	askAt = queues.tick
	heartbeatAt = settings.heartbeatTicks > 0 ? queues.tick + 1 : 0
	heartbeat = null
}

vpi.StepPlayers <- function()
{
	local tick = queues.tick
	if (tick >= askAt)
	{
		askAt = tick + ASK_TICKS
		if (unknown.len() > 0)
		{
			// Asking may take somebody out of the table that is gone through.
			local ask = []
			foreach (known in unknown)
				if (tick - known.since <= ASK_FOR_TICKS || known.id != "")
					ask.append(known)
			foreach (known in ask)
				Ask(known)
		}
	}
	if (heartbeat != null)
	{
		local end = heartbeat.slot + PLAYERS_PER_TICK
		for (; heartbeat.slot < end && heartbeat.slot <= heartbeat.slots; heartbeat.slot++)
			Gather(heartbeat.slot)
		if (heartbeat.slot > heartbeat.slots)
		{
			QueueEvent({ heartbeat = { map = GetMapName(), tick = (Time() / 0.015 + 0.5).tointeger(), guard = vpi.Guard(), players = heartbeat.players } })
			heartbeat = null
		}
	}
	else if (heartbeatAt > 0 && tick >= heartbeatAt)
	{
		heartbeatAt = tick + settings.heartbeatTicks
		if (Manager() != null)
			heartbeat = { slot = 1, slots = MaxClients().tointeger(), players = [] }
	}
}
