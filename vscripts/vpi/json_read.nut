// Reads JSON bit by bit. It belongs to json.nut, which loads it and says how it is used; what is
// written there about names holds here, too.

local format = ::format
local DEPTH_MAX = 64, FLOAT_MAX = 3.4028234663852886e38
local unescapes = {
	[34] = "\"", [92] = "\\", [47] = "/",
	[98] = "\x08", [116] = "\t", [110] = "\n", [102] = "\x0c", [114] = "\r"
}
local hex = {}
foreach (at, c in "0123456789abcdef")
	hex[c] <- at
foreach (at, c in "ABCDEF")
	hex[c] <- at + 10
local digits = {}
for (local c = '0'; c <= '9'; c++)
	digits[c] <- true
local words = { ['t'] = "true", ['f'] = "false", ['n'] = "null" }
// By what is wanted.
local expected = [
	"a value should stand here", "a value or ] should stand here", "a key should stand here",
	"a key or } should stand here", "a colon should stand here", "a comma or the end should stand here",
	"nothing should stand behind the value"
]

local Wrong = function(at, what)
{
	return "position " + at + ": " + what
}

// Four hexadecimal digits, or -1.
local Hex = function(text, at)
{
		local code = 0
	// No digit is behind the end of the text.
	for (local end = at + 4; at < end; at++)
	{
		if (!(text[at] in hex))
			return -1
		code = code * 16 + hex[text[at]]
	}
	return code
}

local Utf8 = function(code)
{
	if (code < 0x80)
		return code.tochar()
	if (code < 0x800)
		return format("%c%c", 0xc0 | (code >> 6), 0x80 | (code & 63))
	if (code < 0x10000)
		return format("%c%c%c", 0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
	return format("%c%c%c%c", 0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63),
		0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
}

// Where the digits from `at` on end.
local Digits = function(text, at)
{
	while (text[at] in digits)
		at++
	return at
}

// A number that is not a short whole one, as text; null when it is none. What is behind it is no
// part of numbers.
local NumberText = function(text, from)
{
	local first = text[from] == '-' ? from + 1 : from, at = Digits(text, first)
	if (at == first || (at > first + 1 && text[first] == '0'))
		return null
	if (text[at] == '.')
	{
		first = at + 1
		at = Digits(text, first)
		if (at == first)
			return null
	}
	if (text[at] == 'e' || text[at] == 'E')
	{
		first = at + (text[at + 1] == '+' || text[at + 1] == '-' ? 2 : 1)
		at = Digits(text, first)
		if (at == first)
			return null
	}
	return text.slice(from, at)
}

// What the game cannot hold stays text.
local Number = function(text)
{
	if (text.find(".") != null || text.find("e") != null || text.find("E") != null)
	{
		local number = text.tofloat()
		return number <= FLOAT_MAX && number >= -FLOAT_MAX ? number : text
	}
	local negative = text[0] == '-', count = text.len() - (negative ? 1 : 0)
	if (count > 10 || (count == 10 && text > (negative ? "-2147483648" : "2147483647")))
		return text
	return text.tointeger()
}

function JsonDecoder(text)
{
	return {
		done = false
		value = null
		// A number ends before the end of the text, where there is always something to look at.
		text = text + "\n"
		size = text.len()
		at = 0
		want = 0
		// The container that is filled (null for none), and those around it.
		into = null
		above = []
		key = null
		// The next ones at or behind `at`, when they are not before it.
		quote = -1
		slash = -1
		// Inside a text with escapes: what has been read of it.
		inside = false
		soft = ""
		firm = ""
	}
}

function JsonDecode(job, budget)
{
	local VALUE = 0, VALUE_OR_END = 1, KEY = 2, KEY_OR_END = 3, COLON = 4, COMMA = 5, NOTHING = 6
	// In tenths of a microsecond.
	local left = budget * 10
	local text = job.text, at = job.at, want = job.want, into = job.into, above = job.above, key = job.key
	local quote = job.quote, slash = job.slash, inside = job.inside, size = job.size
	local in_array = typeof into == "array"
	while (left > 0)
	{
		local value = null, opens = false
		if (inside)
		{
			// One stretch and one escape.
			left -= 6
			if (quote < at && (quote = text.find("\"", at)) == null)
				throw Wrong(at, "a text does not end")
			if (slash < at && (slash = text.find("\\", at)) == null)
				slash = size
			if (quote < slash)
			{
				value = job.firm + job.soft + text.slice(at, quote)
				left -= value.len() >> 8
				job.firm = job.soft = ""
				at = quote + 1
				inside = false
			}
			else
			{
				local c = text[slash + 1], plain = text.slice(at, slash)
				at = slash + 2
				if (c in unescapes)
					plain += unescapes[c]
				else
				{
					local code = c == 'u' ? Hex(text, at) : -1
					if (code < 0)
						throw Wrong(slash, "there is no such escape")
					at += 4
					if (code >= 0xd800 && code < 0xe000)
					{
						local low = code < 0xdc00 && text[at] == '\\' && text[at + 1] == 'u'
							? Hex(text, at + 2) : -1
						if (low >= 0xdc00 && low < 0xe000)
						{
							at += 6
							code = 0x10000 + ((code - 0xd800) << 10) + low - 0xdc00
						}
						else
							code = 0xfffd
					}
					plain += Utf8(code)
					left -= 4
				}
				job.soft += plain
				if (job.soft.len() > 512)
				{
					job.firm += job.soft
					job.soft = ""
				}
				continue
			}
		}
		else
		{
			if (at >= size)
			{
				if (want != NOTHING)
					throw Wrong(at, "the text ends too early")
				job.done = true
				break
			}
			local c = text[at]
			if (c <= 32 && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
			{
				at++
				left -= 1
				continue
			}
			left -= 4
			if (c == '"' && want < COLON)
			{
				if (quote <= at && (quote = text.find("\"", at + 1)) == null)
					throw Wrong(at, "a text does not end")
				if (slash < at && (slash = text.find("\\", at)) == null)
					slash = size
				at++
				if (slash < quote)
				{
					inside = true
					continue
				}
				value = text.slice(at, quote)
				left -= 1 + (value.len() >> 8)
				at = quote + 1
			}
			else if (want <= VALUE_OR_END && (c in digits || c == '-'))
			{
				local from = at
				if (c == '-')
					c = text[++at]
				local first = at
				value = 0
				while (c in digits)
				{
					value = value * 10 + (c - '0')
					c = text[++at]
				}
				left -= (at - from) >> 1
				if (c == '.' || c == 'e' || c == 'E' || at > first + 9 || at == first
					|| (text[first] == '0' && at > first + 1))
				{
					local number = NumberText(text, from)
					if (number == null)
						throw Wrong(from, "that is no number")
					value = Number(number)
					at = from + number.len()
					left -= 6 + (number.len() >> 1)
				}
				else if (from < first)
					value = -value
			}
			else if (want <= VALUE_OR_END && (c == '{' || c == '['))
			{
				if (above.len() == DEPTH_MAX)
					throw Wrong(at, "deeper than " + DEPTH_MAX + " objects and arrays")
				value = c == '{' ? {} : []
				opens = true
				at++
			}
			else if (want <= VALUE_OR_END && c in words && at + words[c].len() <= size
				&& text.slice(at, at + words[c].len()) == words[c])
			{
				value = c == 't' ? true : c == 'f' ? false : null
				at += words[c].len()
			}
			else
			{
				if (c == ',' && want == COMMA)
					want = in_array ? VALUE : KEY
				else if (c == ':' && want == COLON)
					want = VALUE
				else if (in_array ? c == ']' && (want == COMMA || want == VALUE_OR_END)
					: c == '}' && (want == COMMA || want == KEY_OR_END))
				{
					into = above.pop()
					in_array = typeof into == "array"
					want = into == null ? NOTHING : COMMA
				}
				else
					throw Wrong(at, expected[want])
				at++
				continue
			}
		}
		if (want == KEY || want == KEY_OR_END)
		{
			key = value
			want = COLON
			// The next byte is most often the expected one.
			if (text[at] == ':')
			{
				at++
				want = VALUE
			}
			continue
		}
		if (in_array)
			into.append(value)
		else if (into == null)
			job.value = value
		else
			into[key] <- value
		if (opens)
		{
			above.append(into)
			into = value
			in_array = typeof into == "array"
			want = in_array ? VALUE_OR_END : KEY_OR_END
		}
		else if (into == null)
			want = NOTHING
		else if (text[at] == ',')
		{
			at++
			want = in_array ? VALUE : KEY
		}
		else
			want = COMMA
	}
	job.at = at
	job.want = want
	job.into = into
	job.key = key
	job.quote = quote
	job.slash = slash
	job.inside = inside
	return (budget * 10 - left + 9) / 10
}
