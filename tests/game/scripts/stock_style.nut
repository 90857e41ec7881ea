// A client of the stock protocol, written for the tests from a description of the stock one: its
// files, its pace, and its weaknesses. It is no example of how to do it.
//
// Weak on purpose: it deletes from its table of callbacks while it runs through it, reads seldom,
// drops the sign of numbers, and takes a backslash before a quote for an escape of the quote.

::VPI <- {
	secret = "@SECRET@"
	timeout = 3.0
	host = null
	thinker = null
	callbacks = {}
	urgent = []
	normal = []
	urgentWrites = 0
	fastReads = 0
	wroteAt = -1
	readsDone = 0

	// A call is {func, kwargs, callback(response, error), urgent}.
	function AsyncCall(call)
	{
		local entry = {
			token = UniqueString()
			func = call.func
			kwargs = "kwargs" in call ? call.kwargs : null
			callback = "callback" in call && call.callback != null
			script = getstackinfos(2).src
		}
		if (entry.callback)
			callbacks[entry.token] <- { call = call.callback, written = null }
		if ("urgent" in call && call.urgent && urgentWrites < 3)
			urgent.append(entry)
		else
			normal.append(entry)
		return entry.token
	}

	function Now() { return (Time() / 0.015).tointeger() }

	// The clock is believed to be five hours behind.
	function Unix()
	{
		local t = {}
		LocalTime(t)
		local year = t.month > 2 ? t.year : t.year - 1
		local month = (t.month + 9) % 12
		local days = 365 * year + year / 4 - year / 100 + year / 400
		days += (153 * month + 2) / 5 + t.day - 1 - 719468
		return days * 86400 + (t.hour + 5) * 3600 + t.minute * 60 + t.second
	}

	function HostOf(hostname)
	{
		local host = ""
		foreach (byte in hostname.tolower())
		{
			byte = byte & 255
			if (byte >= 'a' && byte <= 'z' || byte >= '0' && byte <= '9')
				host += byte.tochar()
			else if (byte <= 32 || byte >= 127)
				host += "_"
		}
		return host
	}

	function Start()
	{
		host = HostOf(Convars.GetStr("hostname"))
		StringToFile(host + "_vpi_restart.interface", "")
		thinker = SpawnEntityFromTable("info_target", { targetname = "stock_style" })
		thinker.ValidateScriptScope()
		local scope = thinker.GetScriptScope()
		scope.Think <- function() { ::VPI.Think(); return -1 }
		AddThinkToEnt(thinker, "Think")
		OnEnd(thinker, scope)
	}

	// The slot of the scope goes when the entity does; a table in between is called.
	function OnEnd(entity, scope)
	{
		local id = entity.GetScriptId(), below = scope.getdelegate()
		scope.setdelegate({}.setdelegate({
			_get = @(key) below[key]
			_delslot = function(key)
			{
				if (key == id)
					::VPI.End()
				delete below[key]
			}
		}))
	}

	function Think()
	{
		local tick = Now()
		if (tick % 198 == 0)
			urgentWrites = 0
		if (urgent.len() > 0 || normal.len() > 0 && tick % 198 == 0)
		{
			local calls = urgent
			if (calls.len() > 0)
				urgentWrites++
			if (tick % 198 == 0)
			{
				calls.extend(normal)
				normal = []
			}
			urgent = []
			Write(calls)
		}
		if (callbacks.len() == 0)
			return
		if (fastReads > 0 && tick % 11 == 0 || tick % 66 == 0)
			Read()
		if (tick % 33 == 0)
			GiveUp()
	}

	// Calls of a map's last tick are lost if that tick has had its file.
	function End()
	{
		urgent.extend(normal)
		normal = []
		if (urgent.len() > 0 && wroteAt != Now())
			Write(urgent)
		urgent = []
	}

	function Write(calls)
	{
		local list = ""
		foreach (call in calls)
		{
			list += (list == "" ? "" : ", ") + Encode(call)
			if (call.callback)
				callbacks[call.token].written = Time()
		}
		local text = "{\"Calls\": {\"async\": [" + list + "]}, \"Identity\": " + Identity() + "}"
		wroteAt = Now()
		StringToFile(format("%s_vpi_%d_%d_output.interface", host, Unix(), wroteAt), text)
		fastReads = 6
	}

	function Read()
	{
		readsDone++
		if (fastReads > 0)
			fastReads--
		local name = host + "_vpi_input.interface"
		local text = FileToString(name)
		if (text == null || text == "")
			return
		fastReads = 0
		StringToFile(name, "")
		local file = null
		try
		{
			file = Decoder(text).Whole()
			if (!IsServer(file.Identity))
				throw "another identity"
		}
		catch (problem)
			return printl("stock_style: no answers: " + problem)
		foreach (token, waiting in callbacks)
		{
			if (!(token in file.Calls))
				continue
			delete callbacks[token]
			local value = file.Calls[token]
			waiting.call(value, typeof value == "string" && startswith(value, "[VPI ERROR]"))
		}
	}

	function GiveUp()
	{
		foreach (token, waiting in callbacks)
		{
			if (waiting.written == null || Time() - waiting.written <= timeout)
				continue
			delete callbacks[token]
			waiting.call("[VPI ERROR] TIMEOUT", true)
		}
	}

	function Mix(timestamp, ticks)
	{
		return floor(fabs(sin(16 * ((timestamp + ticks) % 1024))) * 127 + 0.5).tointeger()
	}

	function Identity()
	{
		local timestamp = Unix(), ticks = Now(), h = Mix(timestamp, ticks)
		local enc = "", iv = ""
		for (local i = 0; i < secret.len(); i++)
		{
			local salt = RandomInt(35, 126)
			iv += salt.tochar()
			enc += (32 + (secret[i] + h + salt + secret[i]) % 95).tochar()
		}
		local parts = { enc = enc, iv = iv, timestamp = timestamp, ticks = ticks }
		return Encode(parts)
	}

	function IsServer(identity)
	{
		local h = Mix(identity.timestamp, identity.ticks)
		if (identity.enc.len() != secret.len() || identity.iv.len() != secret.len())
			return false
		foreach (i, key in secret)
		{
			local plain = (identity.enc[i] - 32 - h - identity.iv[i] - key) % 95
			while (plain < 32)
				plain += 95
			if (plain != key)
				return false
		}
		return true
	}

	escapes = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

	// Keys stay as they are, and so do most control bytes.
	function Encode(value)
	{
		local text = ""
		switch (typeof value)
		{
			case "null":
				return "null"
			case "string":
				foreach (byte in value)
				{
					local char = byte.tochar()
					text += char in escapes ? escapes[char] : char
				}
				return "\"" + text + "\""
			case "array":
				foreach (item in value)
					text += (text == "" ? "" : ", ") + Encode(item)
				return "[" + text + "]"
			case "table":
				foreach (key, item in value)
					text += (text == "" ? "" : ", ") + "\"" + key + "\": " + Encode(item)
				return "{" + text + "}"
		}
		return value.tostring()
	}
}

class VPI.Decoder
{
	text = null
	at = 0

	constructor(_text) { text = _text }

	function Whole()
	{
		local value = Value()
		Space()
		if (at != text.len())
			throw "more than one value"
		return value
	}

	function Space()
	{
		while (at < text.len() && text[at] <= ' ')
			at++
	}

	function Take(byte)
	{
		Space()
		if (at >= text.len() || text[at] != byte)
			return false
		at++
		return true
	}

	function Value()
	{
		if (Take('{'))
		{
			local table = {}
			while (!Take('}'))
			{
				local key = Value()
				if (!Take(':'))
					throw "no colon"
				table[key] <- Value()
				Take(',')
			}
			return table
		}
		if (Take('['))
		{
			local array = []
			while (!Take(']'))
			{
				array.append(Value())
				Take(',')
			}
			return array
		}
		return Take('"') ? Text() : Word()
	}

	function Text()
	{
		local start = at
		local end = text.find("\"", at)
		while (end != null && text[end - 1] == '\\')
			end = text.find("\"", end + 1)
		if (end == null)
			throw "a text without end"
		at = end + 1
		local raw = text.slice(start, end)
		return raw.find("\\") == null ? raw : Unescape(raw)
	}

	function Unescape(raw)
	{
		local plain = ""
		for (local i = 0; i < raw.len(); i++)
		{
			if (raw[i] != '\\' || i + 1 == raw.len())
			{
				plain += raw[i].tochar()
				continue
			}
			i++
			local after = raw[i].tochar()
			if (after == "u" && i + 5 < raw.len())
			{
				plain += (raw.slice(i + 1, i + 5).tointeger(16) & 255).tochar()
				i += 4
			}
			else if (after in short)
				plain += short[after]
		}
		return plain
	}

	short = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ["\""] = "\"", ["\\"] = "\\", ["/"] = "/" }

	function Word()
	{
		local start = at
		while (at < text.len() && text[at] > ' ' && !(text[at] == ',' || text[at] == '}' || text[at] == ']'))
			at++
		local word = text.slice(start, at)
		if (word in words)
			return words[word]
		if (startswith(word, "-"))
			word = word.slice(1)
		if (word == "" || !regexp(@"^[0-9]+(\.[0-9]+)?$").match(word))
			throw "no value: " + word
		return word.find(".") == null ? word.tointeger() : word.tofloat()
	}

	words = { ["null"] = null, ["true"] = true, ["false"] = false }
}

function OnGameEvent_server_cvar(_)
{
	if (VPI.host == null)
		VPI.Start()
}
__CollectGameEventCallbacks(this)
