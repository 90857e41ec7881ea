// From the start of a map to its end: under which name, asking vpid for a session, making its keys, and
// what to do when vpid does not know us, or does not want us.

local vpi = this
local StringToFile = ::StringToFile, FileToString = ::FileToString, RandomInt = ::RandomInt
local LocalTime = ::LocalTime, Time = ::Time, DoUniqueString = ::DoUniqueString
local GetMapName = ::GetMapName, Convars = ::Convars, GetStr = ::Convars.GetStr, GetInt = ::Convars.GetInt
local MaxClients = ::MaxClients
local format = ::format, type = ::type
local HmacKey = vpi.HmacKey, HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep
local HmacHex = vpi.HmacHex, HmacText = vpi.HmacText
local JsonEncoder = vpi.JsonEncoder, JsonEncode = vpi.JsonEncode
local JsonDecoder = vpi.JsonDecoder, JsonDecode = vpi.JsonDecode
local queues = vpi.queues, link = vpi.link, budget = vpi.budget, shown = vpi.shown
local Log = vpi.Log, Announce = vpi.Announce, ErrorText = vpi.ErrorText, FileName = vpi.FileName
local OwnerKey = vpi.OwnerKey

local HOST_TICKS = 66, HOST_BYTES_MAX = 128
local FAST_TICKS = 66, SILENCE_TICKS = 2000, DISPLACED_TICKS = 4000

// What is done next, each in a tick of its own.
local step = null
// The keys of the host: A signs the hello, B the welcome.
local keys = { a = null, b = null }
local hostAt = HOST_TICKS, hosted = false
local welcome = { name = null, askedAt = 0, lookAt = 0, checkAt = 0, seen = null, hello = null, lost = false, silent = false }
local introduced = false
// How chat stands, as it was reported last.
local guardTold = null
local pausedUntil = 0

vpi.VpidKey <- function() { return keys.b }

local Json = function(value)
{
	local job = JsonEncoder(value)
	while (!job.done)
		JsonEncode(job, 1000)
	return job.text
}

// A mac at once: for texts of a few blocks.
local Mac = function(key, text)
{
	local job = HmacStart(key, text)
	HmacStep(job, 100)
	return job
}

// As the stock client names itself, so that an owner finds the same name everywhere.
local Sanitized = function(hostname)
{
	local host = ""
	foreach (byte in hostname.tolower())
	{
		byte = byte & 255
		if (byte >= 'a' && byte <= 'z' || byte >= '0' && byte <= '9')
			host += byte.tochar()
		else if (byte <= 32 || byte > 127)
			host += "_"
	}
	return host.len() > HOST_BYTES_MAX ? host.slice(0, HOST_BYTES_MAX) : host
}

// A variable was changed: the server's configuration is being run, which sets its name. In the
// next tick all of it has been.
vpi.ConfigRuns <- function()
{
	if (hosted)
		return
	hosted = true
	hostAt = queues.tick + 1
}

local DrawSession, DeriveKeys, Hello, LookForWelcome, Open, DeriveSessionKeys

local WaitForHost = function()
{
	if (vpi.settings.host != "")
		link.host = vpi.settings.host
	else if (queues.tick < hostAt)
		return
	else
	{
		local hostname = GetStr.call(Convars, "hostname")
		link.host = Sanitized(type(hostname) == "string" ? hostname : "")
	}
	shown.host = link.host
	step = DrawSession
}

// 128 bits that are new and cannot be guessed: the key makes them so even where
// the game's random numbers are poor.
DrawSession = function()
{
	local seed = GetMapName() + " " + Time() + " " + DoUniqueString("vpi"), clock = {}
	LocalTime(clock)
	foreach (name in ["year", "month", "day", "hour", "minute", "second"])
		if (name in clock)
			seed += " " + clock[name]
	for (local i = 0; i < 8; i++)
		seed += " " + RandomInt(0, 0xffffff)
	link.session = HmacHex(Mac(HmacKey(OwnerKey()), "session " + seed)).slice(0, 32)
	step = keys.a == null ? DeriveKeys : Hello
}

DeriveKeys = function()
{
	local owner = HmacKey(OwnerKey())
	keys.a = HmacKey(HmacText(Mac(owner, "vpid1 game " + link.host)))
	keys.b = HmacKey(HmacText(Mac(owner, "vpid1 vpid " + link.host)))
	step = Hello
}

Hello = function()
{
	local name = FileName("hello")
	local body = "{\"version\":1,\"script\":" + Json(vpi.VERSION) + ",\"map\":" + Json(GetMapName()) + "}"
	local head = "vpid1 0 " + body.len()
	local mac = HmacHex(Mac(keys.a, name + "\n" + head + "\n" + body))
	welcome.hello = [ "vpid/" + name, head + "\n" + body + "\n" + mac ]
	welcome.name = FileName("welcome")
	welcome.askedAt = welcome.lookAt = queues.tick
	welcome.checkAt = queues.tick + 667
	welcome.seen = null
	budget.file = false
	StringToFile(welcome.hello[0], welcome.hello[1])
	step = LookForWelcome
}

local Believe = function(text)
{
	local frame = vpi.Frame(text)
	if (frame == null || frame.body.len() > 4096)
		return null
	local mac = vpi.StartCheck(keys.b, welcome.name, frame)
	HmacStep(mac, 100)
	if (HmacHex(mac) != frame.mac)
		return null
	try
	{
		local job = JsonDecoder(frame.body)
		while (!job.done)
			JsonDecode(job, 1000)
		return type(job.value) == "table" ? job.value : null
	}
	catch (_) { return null }
}

local IsId = function(text)
{
	if (type(text) != "string" || text.len() != 32)
		return false
	foreach (digit in text)
		if (!(digit >= '0' && digit <= '9' || digit >= 'a' && digit <= 'f'))
			return false
	return true
}

local nonce = null

local Setting = function(name)
{
	local value = GetInt.call(Convars, name)
	return type(value) == "integer" ? value : 0
}

// How many players there is room for: the engine counts reserved slots and that of SourceTV, too.
local PlayerSlots = function()
{
	local slots = MaxClients().tointeger() - (Setting("tv_enable") > 0 ? 1 : 0)
	local visible = Setting("sv_visiblemaxplayers")
	return visible > 0 && visible < slots ? visible : slots
}

// Often at first, then ever more seldom.
LookForWelcome = function()
{
	if (queues.tick < welcome.lookAt)
		return
	local age = queues.tick - welcome.askedAt
	welcome.lookAt = queues.tick + (age < FAST_TICKS ? 2 : age < 4 * FAST_TICKS ? 8 : FAST_TICKS)
	if (age > SILENCE_TICKS && !welcome.silent)
	{
		welcome.silent = true
		Log(vpi.WARNING, "No vpid answers. Does it run, for this server's scriptdata folder, and with the key of vpi.nut?")
	}
	budget.file = false
	if (welcome.lost)
	{
		// The hello has been taken by a vpid that ended before it could answer.
		welcome.lost = false
		return StringToFile(welcome.hello[0], welcome.hello[1])
	}
	if (queues.tick >= welcome.checkAt)
	{
		welcome.checkAt = queues.tick + 667
		welcome.lost = FileToString(welcome.hello[0]) == null
		return
	}
	local text = FileToString("vpid/" + welcome.name)
	if (text == null || text == welcome.seen)
		return
	welcome.seen = text
	local body = Believe(text)
	if (body == null)
		return Log(vpi.WARNING, "There is a welcome that is not signed with the key of this vpi.nut; the key of vpid.toml may be another")
	if ("refused" in body)
	{
		step = null
		shown.connected = false
		return Announce("vpid does not talk with this server: " + ErrorText(body.refused))
	}
	if (!("nonce" in body) || !IsId(body.nonce))
		return Log(vpi.WARNING, "The welcome of vpid has no nonce")
	nonce = body.nonce
	shown.vpid = "vpid" in body ? body.vpid : null
	step = DeriveSessionKeys
}

DeriveSessionKeys = function()
{
	local text = link.session + " " + nonce
	if (link.game == null)
	{
		link.game = HmacKey(HmacText(Mac(keys.a, text)))
		return
	}
	link.vpid = HmacKey(HmacText(Mac(keys.b, text)))
	step = Open
	shown.connected = true
	Log(vpi.INFO, (introduced ? "vpid is there again" : "Talks with vpid") + " as " + link.host)
	introduced = true
	link.opening = Json({ event = "map_start", data = { map = GetMapName(), max_players = PlayerSlots() } })
	guardTold = Json(vpi.Guard())
	link.opening += ",{\"guard\":" + guardTold + "}"
	foreach (name, entry in vpi.registered)
		link.opening += "," + Json({ register = name, script = entry.src })
	vpi.StartPlayers()
}

// The session goes on. What is urgent goes before what comes.
Open = function()
{
	local urgent = vpi.IsUrgent()
	if (urgent)
		vpi.StepWriter()
	vpi.StepReader()
	// What was read can have ended the session.
	if (step != Open)
		return
	if (!urgent)
		vpi.StepWriter()
	vpi.PollReader()
}

step = WaitForHost

vpi.StepSession <- function()
{
	if (step != null)
		step()
}

// Another game has our name: where both went on at once, they would only take turns.
local Pause = function()
{
	if (queues.tick >= pausedUntil)
		step = DrawSession
}

// vpid has forgotten this session, or another game of our name has a newer one (`displaced`).
vpi.StartOver <- function(reason, displaced = false)
{
	if (!displaced)
		Log(vpi.WARNING, "vpid does not know this session any more (" + reason + "); a new one begins")
	else if (pausedUntil == 0)
		Announce("vpid serves another game that calls itself " + link.host + ", too: " + reason
			+ ". This one tries again every minute")
	else
		Log(vpi.ERROR, "vpid still serves another game that calls itself " + link.host)
	shown.connected = false
	queues.session++
	link.game = link.vpid = null
	vpi.ForgetFiles()
	vpi.ForgetWriting()
	vpi.ForgetReading()
	vpi.LoseSession()
	if (displaced)
		pausedUntil = queues.tick + DISPLACED_TICKS
	step = displaced ? Pause : DrawSession
}

// The map ends: what waits is written at once.
vpi.EndSession <- function()
{
	if (step != Open)
		return
	step = null
	shown.connected = false
	local next = null
	try { next = GetStr.call(Convars, "nextlevel") } catch (_) {}
	local last = { event = "map_end", data = { map = GetMapName(), next = type(next) == "string" ? next : "" } }
	vpi.WriteAll(Json(last))
}

// Reports to vpid how chat stands, where it does not know yet, or requests it.
vpi.TellGuard <- function(asked = false)
{
	if (step != Open)
		return
	local now = Json(vpi.Guard())
	if (now == guardTold && !asked)
		return
	guardTold = now
	vpi.QueueOther({ guard = vpi.Guard() }, true)
}

// The same at once, before this side falls silent.
vpi.LastWord <- function()
{
	if (step == Open)
		vpi.WriteOnly("{\"guard\":" + Json(vpi.Guard()) + "}")
}

// Another script interferes: nothing is sent or read any more.
vpi.StopSession <- function()
{
	step = null
	shown.connected = false
}
