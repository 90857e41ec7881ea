// Who is on this server: found when they enter or when we start, reported once the game knows their
// id, and listed in a heartbeat. Asks functions of the game only.

local vpi = this
local Entities = ::Entities, FindByClassname = ::Entities.FindByClassname
local NetProps = ::NetProps, GetPropString = ::NetProps.GetPropString, GetPropIntArray = ::NetProps.GetPropIntArray
local HasProp = ::NetProps.HasProp, GetPropInt = ::NetProps.GetPropInt, GetPropFloat = ::NetProps.GetPropFloat
local GetPlayerFromUserID = ::GetPlayerFromUserID, PlayerInstanceFromIndex = ::PlayerInstanceFromIndex
local IsValid = ::CBaseEntity.IsValid, EntityIndex = ::CBaseEntity.entindex, format = ::format, MaxClients = ::MaxClients, GetMapName = ::GetMapName, Time = ::Time, type = ::type
local IsPlayerABot = "IsPlayerABot" in vpi.root ? vpi.root.IsPlayerABot : null
local queues = vpi.queues, settings = vpi.settings, QueueEvent = vpi.QueueEvent, QUEUED = vpi.QUEUED

// How often an id is requested, in ticks: the pause at first, how long that holds, and of how many such pauses
// one is used from then on.
local ASK_TICKS = 16, ASK_FOR_TICKS = 4000, ASK_SELDOM = 40
local PLAYERS_PER_TICK = 3
// More than can be on. Scripts can raise events of players who are not.
local PLAYERS_MAX = 256, USERID_MAX = 2147483647
// The entity that knows who is on, in the games on this engine. The first is that of Team Fortress.
local MANAGERS = ["tf_player_manager", "cs_player_manager", "dod_player_manager", "player_manager"]

// Where a player looks, and the buttons that are held: who changes neither does nothing.
local PITCH = "m_angEyeAngles[0]", YAW = "m_angEyeAngles[1]", BUTTONS = "m_nButtons"
// The first team that plays.
local RED = 2

// By userid: { userid, name, id, bot, since (tick), told (what was queued about it), did (the tick at which they did
// something last), pose (how they were then; null: the next one is not their doing) }.
local players = {}
// Those whose id is not known yet, by userid.
local unknown = {}
local askAt = 0, asks = 0
// The heartbeat in the making: the next slot, and who was found.
local heartbeat = null, heartbeatAt = 0
local manager = null, isTeamFortress = false

local Read = function(player, property)
{
	local text = GetPropString.call(NetProps, player, property)
	return type(text) == "string" ? text : ""
}

local Manager = function()
{
	// What scripts hold becomes void when an entity goes, and is then found again.
	if (manager != null && IsValid.call(manager))
		return manager
	manager = null
	foreach (at, name in MANAGERS)
		if (manager == null)
		{
			manager = FindByClassname.call(Entities, null, name)
			isTeamFortress = at == 0
		}
	return manager
}

// -1 where this game has no such property.
local OfSlot = function(property, slot)
{
	local value = GetPropIntArray.call(NetProps, manager, property, slot)
	return type(value) == "integer" ? value : 0
}

// Whether a text is the id of a player or of a bot, and no word for one that is not known yet.
vpi.IsFinalId <- function(text) { return text == "BOT" || text.find("[U:1:") == 0 }

// The id of a player, or empty as long as it is not sure. The number of the account is the engine's, which
// renews it ten times a second; the text is a copy that can be empty, or of before the player was known.
local Id = function(player)
{
	local text = Read(player, "m_szNetworkIDString"), known = vpi.IsFinalId(text)
	local account = Manager() == null ? -1 : OfSlot("m_iAccountID", EntityIndex.call(player))
	// Of bots, and until the engine knows the player. Games that have no such number give -1.
	if (account == 0 || account == -1)
	{
		if (IsPlayerABot == null ? text == "BOT" : IsPlayerABot(player))
			return "BOT"
		return known && account == -1 && text != "BOT" ? text : ""
	}
	// From 2^31 on it comes as a negative number.
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
	// Of a wider one, functions of the game see 32 bits only, and those may be another player's.
	if (userid <= 0 || userid > USERID_MAX)
		return null
	if (!(userid in players))
	{
		if (players.len() >= PLAYERS_MAX && GetPlayerFromUserID(userid) == null)
			return null
		players[userid] <- { userid = userid, name = "", id = "", bot = false, since = queues.tick, told = null, did = queues.tick, pose = null }
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

// A player does something.
vpi.Does <- function(userid)
{
	if (userid in players)
		players[userid].did = queues.tick
}

// A player begins to live, where and as the game has it.
vpi.Placed <- function(userid)
{
	if (userid in players)
		players[userid].pose = null
}

// For how long a player has done nothing, in seconds; null where that is not known. Who is dead does not move.
local Idle = function(known, player, team, alive)
{
	// Who watches moves with others.
	if (known.bot || team < RED)
	{
		known.did = queues.tick
		return null
	}
	foreach (name in [PITCH, YAW, BUTTONS])
		if (!HasProp.call(NetProps, player, name))
			return null
	if (!alive)
		known.pose = null
	else
	{
		local pose = format("%f %f %d", GetPropFloat.call(NetProps, player, PITCH),
			GetPropFloat.call(NetProps, player, YAW), GetPropInt.call(NetProps, player, BUTTONS))
		if (known.pose != null && known.pose != pose)
			known.did = queues.tick
		known.pose = pose
	}
	return (queues.tick - known.did) * 3 / 200
}

// One player of the heartbeat.
local Gather = function(slot)
{
	// Null for SourceTV, too.
	local player = PlayerInstanceFromIndex(slot)
	if (player == null)
		return
	local known = vpi.See(OfSlot("m_iUserID", slot))
	if (known == null)
		return
	if (known.id == "")
		Ask(known)
	// Not every new name comes with an event.
	local name = Read(player, "m_szNetname")
	if (name != "")
		known.name = name
	local entry = {
		userid = known.userid
		name = known.name
		id = known.id
		bot = known.bot
		team = OfSlot("m_iTeam", slot)
		score = OfSlot(isTeamFortress ? "m_iTotalScore" : "m_iScore", slot)
		ping = OfSlot("m_iPing", slot)
		alive = OfSlot("m_bAlive", slot) != 0
		seconds = (queues.tick - known.since) * 3 / 200
	}
	if (isTeamFortress)
		entry["class"] <- OfSlot("m_iPlayerClass", slot)
	local idle = Idle(known, player, entry.team, entry.alive)
	if (idle != null)
		entry.idle <- idle
	// Counted by the game since the map began, or since the scoreboard was cleared.
	local deaths = OfSlot("m_iDeaths", slot)
	if (deaths >= 0)
		entry.deaths <- deaths
	heartbeat.players.append(entry)
}

// A session has begun: all players who are on are reported to vpid.
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
			// A request may remove a player from the table that is gone through.
			local ask = [], all = ++asks % ASK_SELDOM == 0
			foreach (known in unknown)
				if (all || tick - known.since <= ASK_FOR_TICKS || known.id != "")
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
