// Texts as `ClientPrint` shows them as they are meant. A text that begins with `#` is the name of a
// translation to players' games, `%s1` is a place for another text, and colours count only in a text that
// begins with one. The same rule as in src/protocol/player_text.rs, which says more.

local vpi = this
local BYTES_MAX = 220
// The usual colour, which is not visible itself.
local USUAL = "\x01"

local IsColour = function(byte) { return byte == 1 || byte >= 3 && byte <= 8 }

local IsDigit = function(byte)
{
	return byte >= '0' && byte <= '9' || byte >= 'a' && byte <= 'f' || byte >= 'A' && byte <= 'F'
}

// How many bytes what begins at `at` has: a colour with all its digits, a character, or a byte that is no part
// of one.
local Size = function(text, at)
{
	local byte = text[at] & 255, digits = byte == 7 ? 6 : byte == 8 ? 8 : 0, size = 1
	if (digits > 0)
	{
		while (size <= digits && at + size < text.len() && IsDigit(text[at + size]))
			size++
		return size > digits ? size : 1
	}
	local most = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
	while (size < most && at + size < text.len() && (text[at + size] & 0xc0) == 0x80)
		size++
	return size
}

// The text to give to `ClientPrint`. What this has made once, it leaves as it is.
vpi.ForClientPrint <- function(text)
{
	local end = text.len(), special = end > 0 && text[0] == '#'
	foreach (at, byte in text)
	{
		// The game's texts end there.
		if (byte == 0)
		{
			end = at
			break
		}
		if (IsColour(byte) || byte == 's' && at > 0 && text[at - 1] == '%')
			special = true
	}
	if (end < text.len())
		text = text.slice(0, end)
	if (!special && end <= BYTES_MAX)
		return text
	local shown = special && !IsColour(text[0]) ? USUAL : "", colour = USUAL
	for (local at = 0; at < end;)
	{
		local size = Size(text, at), piece = text.slice(at, at + size)
		if (IsColour(piece[0]) && (size > 1 || piece[0] < 7))
			colour = piece
		at += size
		// The colour that holds anyway stands between the two, where it is not visible.
		if (piece == "%" && at < end && text[at] == 's')
			piece += colour
		if (shown.len() + piece.len() > BYTES_MAX)
			break
		shown += piece
	}
	return shown
}
