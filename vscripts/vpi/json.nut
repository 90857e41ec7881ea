// JSON in slices: what scripts hand over is copied at once, and written and read bit by bit.
//
// Load it into a private table. It looks up no name when it is called, and calls nothing of the
// values that it is given: no metamethod, and no function that stands in a table.
//
//   copy = JsonCopy(value, "kwargs")   plain tables, arrays, texts, numbers, true, false, null;
//                                      throws a text that says what cannot be sent, and where
//   job = JsonEncoder(copy)            then JsonEncode(job, budget) until job.done: job.text
//   job = JsonDecoder(text)            then JsonDecode(job, budget) until job.done: job.value;
//                                      throws a text that says what is wrong, and where
//
// A budget is in microseconds, roughly; what was used is given back. A step goes beyond it by the
// keys of one table, or by the escapes of a stretch of a text. The reader is in json_read.nut.
//
// Texts of the game are bytes: those from 128 on pass as they are in both directions.

local format = ::format, split = ::split, type = ::type
local DEPTH_MAX = 32, NODES_MAX = 20000
local FLOAT_MAX = 3.4028234663852886e38
// Longer texts are searched for what needs an escape by native code, in pieces.
local SHORT = 150, PIECE = 1024
local KNOWN_MAX = 500, KNOWN_BYTES_MAX = 64

// A metamethod can decide what `typeof` returns. A script that replaced this function before was
// faster than us, and then nothing helps.
if (type({}.setdelegate({ _typeof = @() "text" })) != "table")
	throw "json.nut: type() is not the game's own"

local escapes = { [34] = "\\\"", [92] = "\\\\", [8] = "\\b", [9] = "\\t", [10] = "\\n", [12] = "\\f", [13] = "\\r" }
local controls = []
for (local c = 0; c < 32; c++)
	if (!(c in escapes))
		escapes[c] <- format("\\u%04x", c)
foreach (c, _ in escapes)
	if (c != 0)
		controls.append(c.tochar())
local float_forms = ["%.6g", "%.7g", "%.8g", "%.9g"]
// Keys come again and again: what they look like in quotes.
local known = {}, known_count = 0

// ---- Copying

// As in "kwargs.list[3]": the place `key` of the container number `at`. The first one is ours.
local Path = function(froms, parents, keys, name, at, key)
{
	local path = ""
	for (; at > 0; at = parents[at])
	{
		if (type(froms[at]) == "array")
			path = "[" + key + "]" + path
		else if (type(key) == "string" && key.len() > 40)
			path = "." + key.slice(0, 40) + "..." + path
		else
			path = "." + key + path
		key = keys[at]
	}
	return name + path
}

local Named = function(kind)
{
	return (kind == "instance" || kind == "array" ? "an " : "a ") + kind
}

// All at once, since a script may go on with its tables.
function JsonCopy(value, name = "value")
{
	// What is found in a container is copied when its turn comes: nothing here calls itself.
	local holder = [], froms = [[value]], tos = [holder], parents = [-1], keys = [null], depths = [0]
	local nodes = 0
	for (local at = 0; at < froms.len(); at++)
	{
		local to = tos[at], in_table = type(froms[at]) == "table"
		foreach (key, item in froms[at])
		{
			if (in_table)
			{
				// First of all: keys that are objects must not get into a message.
				local kind = type(key)
				if (kind == "integer")
					key = key.tostring()
				else if (kind != "string")
					throw Path(froms, parents, keys, name, parents[at], keys[at]) + " has a key that is "
						+ Named(kind) + "; only texts and whole numbers can be keys"
			}
			if (++nodes > NODES_MAX)
				throw name + " holds more than " + NODES_MAX + " values"
			local kind = type(item), copy = item
			if (kind == "string" || kind == "integer" || kind == "bool" || kind == "null")
			{
			}
			else if (kind == "table" || kind == "array")
			{
				for (local above = at; above > 0; above = parents[above])
					if (froms[above] == item)
						throw Path(froms, parents, keys, name, at, key) + " contains itself"
				if (depths[at] == DEPTH_MAX)
					throw Path(froms, parents, keys, name, at, key) + " is deeper than " + DEPTH_MAX
						+ " tables and arrays"
				copy = kind == "table" ? {} : []
				froms.append(item)
				tos.append(copy)
				parents.append(at)
				keys.append(key)
				depths.append(depths[at] + 1)
			}
			else if (kind != "float")
				throw Path(froms, parents, keys, name, at, key) + " is " + Named(kind)
					+ "; only null, true, false, numbers, texts, arrays and tables can be sent"
			// Not a number is above and below nothing.
			else if (!(item <= FLOAT_MAX && item >= -FLOAT_MAX))
				throw Path(froms, parents, keys, name, at, key) + " is not a finite number"
			if (in_table)
				to[key] <- copy
			else
				to.append(copy)
		}
	}
	return holder[0]
}

// ---- Writing

// A text in quotes, one that is short.
local Quote = function(text)
{
	local out = "\"", from = 0
	foreach (at, c in text)
	{
		if (c in escapes)
		{
			if (at > from)
				out += text.slice(from, at)
			out += escapes[c]
			from = at + 1
		}
	}
	return from == 0 ? out + text + "\"" : out + text.slice(from) + "\""
}

// As few digits as give the same number again, and what distinguishes it from a whole one.
local Float = function(number)
{
	if (!(number <= FLOAT_MAX && number >= -FLOAT_MAX))
		return "null"
	foreach (form in float_forms)
	{
		local text = format(form, number)
		if (text.find(".") == null && text.find("e") == null)
			text += ".0"
		if (text.tofloat() == number || form == "%.9g")
			return text
	}
}

// The inside of a long text, from `at` on: gives what is written, up to where that goes, and how
// many escapes are in it.
local Escaped = function(text, at)
{
	local end = at + PIECE < text.len() ? at + PIECE : text.len()
	local piece = text.slice(at, end), present = "", out = ""
	// Native functions see a text up to its first NUL.
	local seen = format("%s", piece)
	if (seen.len() == 0)
		return ["\\u0000", at + 1, 1]
	foreach (control in controls)
		if (seen.find(control) != null)
			present += control
	if (present == "")
		return [seen, at + seen.len(), 0]
	// In small parts, since all of a part is split: there may be many escapes.
	local place = 0, count = 0
	while (place < seen.len() && count < 40)
	{
		local part = seen.slice(place, place + 64 < seen.len() ? place + 64 : seen.len()), from = 0
		foreach (plain in split(part, present))
		{
			from += plain.len()
			if (from == part.len())
			{
				out += plain
				break
			}
			out += plain + escapes[part[from++]]
			count++
		}
		place += part.len()
	}
	return [out, at + place, count]
}

function JsonEncoder(value)
{
	return {
		done = false
		text = null
		// The container that is written, its keys (null for an array), and the place in it.
		// The first one holds the value and is not written.
		within = [value]
		keys = null
		place = 0
		sep = ""
		above = []
		// A long text of which a part is written.
		long = null
		long_at = 0
		// Texts grow in three stages, since adding to a text copies it.
		soft = ""
		firm = ""
		text_so_far = ""
	}
}

function JsonEncode(job, budget)
{
	// In tenths of a microsecond. It is not put into a second local for later: where a local gets
	// what was just computed for another, the compiler of Squirrel 3.1 forgets the first.
	local left = budget * 10
	local within = job.within, keys = job.keys, place = job.place, sep = job.sep, above = job.above
	local long = job.long, soft = job.soft, count = keys ? keys.len() : within.len()
	local unflushed = soft.len() > 256 ? 15 : 0
	while (left > 0)
	{
		if (++unflushed == 16 || long)
		{
			unflushed = 0
			job.firm += soft
			soft = ""
			if (job.firm.len() > 4096)
			{
				job.text_so_far += job.firm
				job.firm = ""
			}
		}
		if (long)
		{
			local escaped = Escaped(long, job.long_at)
			soft = escaped[0]
			left -= 30 + escaped[2] * 5
			job.long_at = escaped[1]
			if (job.long_at == long.len())
			{
				soft += "\""
				long = null
			}
			continue
		}
		if (place == count)
		{
			if (above.len() == 0)
			{
				job.text = job.text_so_far + job.firm + soft
				job.done = true
				break
			}
			soft += sep == "[" ? "[]" : sep == "{" ? "{}" : keys ? "}" : "]"
			within = above.pop()
			keys = above.pop()
			place = above.pop()
			count = keys ? keys.len() : within.len()
			sep = ","
			left -= 3
			continue
		}
		local item
		if (keys)
		{
			local key = keys[place++]
			item = within[key]
			left -= 3
			if (key in known)
				sep += known[key]
			else
			{
				local quoted = Quote(typeof key == "string" ? key : key.tostring()) + ":"
				left -= quoted.len() >> 1
				if (quoted.len() <= KNOWN_BYTES_MAX)
				{
					if (++known_count > KNOWN_MAX)
					{
						known = {}
						known_count = 1
					}
					known[key] <- quoted
				}
				sep += quoted
			}
		}
		else
			item = within[place++]
		local kind = typeof item
		if (kind == "string")
		{
			if (item.len() <= SHORT)
			{
				local quoted = Quote(item)
				soft += sep + quoted
				left -= 1 + (item.len() >> 2) + quoted.len() - item.len()
			}
			else
			{
				soft += sep + "\""
				long = item
				job.long_at = 0
			}
		}
		else if (kind == "integer" || kind == "bool")
			soft += sep + item
		else if (kind == "null")
			soft += sep + "null"
		else if (kind == "float")
		{
			soft += sep + Float(item)
			left -= 6
		}
		else if (kind == "table" || kind == "array")
		{
			above.append(place)
			above.append(keys)
			above.append(within)
			soft += sep
			within = item
			place = 0
			if (kind == "table")
			{
				keys = []
				// A function of the table itself cannot be called: it may be an entry.
				foreach (key, _ in item)
					keys.append(key)
				count = keys.len()
				left -= count
				sep = "{"
			}
			else
			{
				keys = null
				count = item.len()
				sep = "["
			}
			left -= 5
			continue
		}
		else
			throw "a " + kind + " cannot be written as JSON"
		sep = ","
		left -= 4
	}
	job.within = within
	job.keys = keys
	job.place = place
	job.sep = sep
	job.long = long
	job.soft = soft
	return (budget * 10 - left + 9) / 10
}

::IncludeScript("vpi/json_read.nut", this)
