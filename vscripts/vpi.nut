// The game's side of vpid: scripts call functions of vpid, and vpid learns what happens here.
// docs/protocol.md says how the two talk.
//
// This file was put together from the files in vscripts/vpi/ of the source. Change those.

// Others may have been here before us, and waited. So first of all, as long as there is no secret
// in this file's memory: is the game as it should be? Gives what is wrong, or null.
local trouble = (function()
{
	local own = function() {}
	local infos = own.getinfos
	local Native = function(value, name)
	{
		// Throws for what is no function. The answer comes from the interpreter; no script can fake it.
		try
		{
			local about = infos.call(value)
			return about.native && (about.name == null || about.name.slice(-name.len()) == name)
		}
		catch (_) { return false }
	}
	local Late = function()
	{
		// All of them come after mapspawn.nut has run.
		foreach (name in ["tf_gamerules", "tf_player_manager", "player"])
			if (::Entities.FindByClassname(null, name) != null)
				return true
		return ::Entities.FindByName(null, "bignet") != null
	}
	try
	{
		if (!Native(::getroottable, "getroottable"))
			return "getroottable is not the game's own"
		local root = ::getroottable()
		// A hook is told of every line that runs, and can look at the variables there.
		if ("setdebughook" in root && root.setdebughook != null)
		{
			local SetDebugHook = root.setdebughook
			if (!Native(SetDebugHook, "setdebughook"))
				return "setdebughook is not the game's own"
			SetDebugHook(null)
		}
		if ("StringToFile" in root && !Native(root.StringToFile, "StringToFile"))
			return "it is running already, or another script has replaced StringToFile before it"
		foreach (name in [
			"StringToFile", "FileToString", "compilestring", "getstackinfos", "type", "format", "split", "print",
			"RandomInt", "LocalTime", "Time", "DoUniqueString", "GetMapName", "MaxClients", "ClientPrint",
			"SendToServerConsole", "SpawnEntityFromTable", "AddThinkToEnt", "PlayerInstanceFromIndex",
			"GetPlayerFromUserID", "FireScriptHook", "DoIncludeScript", "getconsttable"
		])
		{
			if (!(name in root))
				return "the game has no " + name
			if (!Native(root[name], name))
				return name + " is not the game's own"
		}
		// Not every game on this engine has these.
		foreach (name in ["Say", "SendGlobalGameEvent", "DoEntFire", "EntFireByHandle", "IsPlayerABot"])
			if (name in root && !Native(root[name], name))
				return name + " is not the game's own"
		foreach (holder, names in {
			Entities = ["FindByName", "FindByClassname"]
			Convars = ["GetStr", "GetInt"]
			NetProps = ["GetPropString", "GetPropIntArray"]
			CBaseEntity = ["ValidateScriptScope", "GetScriptScope", "GetScriptId", "IsValid", "entindex"]
			regexp = ["match"]
		})
			foreach (name in names)
				if (!Native(root[holder][name], name))
					return holder + "." + name + " is not the game's own"
		if (Late())
			return "it has to be started by mapspawn.nut, before anything else runs; it came too late"
		// The first would lay open every variable. The second gives away what has been dropped and
		// is still in memory.
		local rawset = {}.rawset
		foreach (name in ["setdebughook", "resurrectunreachable"])
			if (name in root)
				rawset.call(root, name, null)
	}
	catch (problem)
	{
		return "something is missing in this game"
	}
	return null
})()

if (trouble != null)
{
	::print("[VPI] -- ERROR -- vpi.nut does not start: " + trouble + "\n")
	try { ::ClientPrint(null, 3, "\x07FF5757[VPI] vpi.nut does not start: " + trouble) } catch (_) {}
	return
}

local VERSION = "0.1.0";

// The `key` of vpid.toml; `vpid init` puts it here. A function, since the variables of a script
// can be looked at by others, and what a function returns only where it is used.
local function OwnerKey() { return "PUT-THE-KEY-OF-vpid.toml-HERE" }

// All that follows lives in one table that nobody else can reach. Three rules keep it so:
//
// - Whoever is called by us can look at the variables of all functions that wait for it to return,
//   and so can an error handler, for an error that nobody catches. So functions that hold something
//   worth protecting call nobody else, and catch what they throw.
// - Anybody can put something else in the root table later. So no name is looked up when it is
//   needed; what we use is taken at the start.
// - Values of others can bring code of their own with them (metamethods). So theirs are copied or
//   asked with functions that look past that.
local function Load(OwnerKey)
{
	local vpi = { VERSION = VERSION, OwnerKey = OwnerKey, root = ::getroottable() }

// ======== sha256.nut

vpi.part <- function()
{
// HMAC-SHA256 in slices: the mac of a text of any length, so many blocks of 64 bytes at a time.
//
// Load it into a private table. What is defined in other tables afterwards cannot reach it: it
// looks up no name when it is called.
//
//   key = HmacKey(text)      of at most 64 bytes; null for a longer one
//   job = HmacStart(key, text)
//   HmacStep(job, blocks)    does at most so many blocks, gives how many; job.left are left
//   HmacHex(job)             when job.done: 64 lower case digits
//   HmacText(job)            the same as 32 bytes, to make a key of
//
// Errors show the locals of a function to whoever handles them, so nothing here throws.

local format = ::format

local START = [
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
]
local ZEROS = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
ZEROS += ZEROS
ZEROS += ZEROS

// Takes `count` blocks into `hash`: those of `text` from `at` on, or one of 16 `words`.
//
// It is written out, since the interpreter pays for each instruction, whatever it does:
// - What is shifted by stands in locals; a number in an expression is an instruction of its own.
// - A rotation is (x >>> n) + x * 2^(32-n): bits that do not overlap may be added, and a product
//   costs less than a shift.
// - Instead of moving a to h down by one, each round takes them by other names.
// - maj(a, b, c) is b ^ ((a ^ b) & (b ^ c)), and b ^ c was a ^ b the round before.
// - Integers have 32 bits, on 64-bit servers 64. What is above 32 disturbs only what is shifted to the
//   right, so it is cut off where a word is made that will be, and nowhere else.
local Compress = function(hash, words, text, at, count)
{
	local r2 = 2, r3 = 3, r6 = 6, r7 = 7, r10 = 10, r11 = 11, r13 = 13, r17 = 17, r18 = 18, r19 = 19
	local r22 = 22, r25 = 25, byte = 255, l8 = 1 << 8, l7 = 1 << 7, l10 = 1 << 10, l13 = 1 << 13
	local l14 = 1 << 14, l15 = 1 << 15, l19 = 1 << 19, l21 = 1 << 21, l25 = 1 << 25, l26 = 1 << 26
	local l30 = 1 << 30, mask = 0xffffffff, a, b, c, d, e, f, g, h, x, y
	local w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15
	local h0 = hash[0], h1 = hash[1], h2 = hash[2], h3 = hash[3]
	local h4 = hash[4], h5 = hash[5], h6 = hash[6], h7 = hash[7]
	for (; count > 0; count--)
	{
		if (words)
		{
			w0 = words[0] & mask; w1 = words[1] & mask; w2 = words[2] & mask; w3 = words[3] & mask
			w4 = words[4] & mask; w5 = words[5] & mask; w6 = words[6] & mask; w7 = words[7] & mask
			w8 = words[8] & mask; w9 = words[9] & mask; w10 = words[10] & mask; w11 = words[11] & mask
			w12 = words[12] & mask; w13 = words[13] & mask; w14 = words[14] & mask; w15 = words[15] & mask
		}
		else
		{
			// The first byte of a word needs no mask of its own: what is above it goes with the word's.
			w0 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w1 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w2 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w3 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w4 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w5 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w6 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w7 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w8 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w9 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w10 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w11 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w12 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w13 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w14 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
			w15 = (((text[at++] * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) * l8 + (text[at++] & byte)) & mask
		}
		a = h0; b = h1; c = h2; d = h3; e = h4; f = h5; g = h6; h = h7; x = b ^ c
		h += 0x428a2f98 + w0 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		g += 0x71374491 + w1 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		f += 0xb5c0fbcf + w2 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		e += 0xe9b5dba5 + w3 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		d += 0x3956c25b + w4 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		c += 0x59f111f1 + w5 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		b += 0x923f82a4 + w6 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		a += 0xab1c5ed5 + w7 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		h += 0xd807aa98 + w8 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		g += 0x12835b01 + w9 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		f += 0x243185be + w10 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		e += 0x550c7dc3 + w11 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		d += 0x72be5d74 + w12 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		c += 0x80deb1fe + w13 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		b += 0x9bdc06a7 + w14 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		a += 0xc19bf174 + w15 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w0 = (w0 + (((w1 >>> r7) + w1 * l25) ^ ((w1 >>> r18) + w1 * l14) ^ (w1 >>> r3)) + w9 + (((w14 >>> r17) + w14 * l15) ^ ((w14 >>> r19) + w14 * l13) ^ (w14 >>> r10))) & mask
		h += 0xe49b69c1 + w0 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w1 = (w1 + (((w2 >>> r7) + w2 * l25) ^ ((w2 >>> r18) + w2 * l14) ^ (w2 >>> r3)) + w10 + (((w15 >>> r17) + w15 * l15) ^ ((w15 >>> r19) + w15 * l13) ^ (w15 >>> r10))) & mask
		g += 0xefbe4786 + w1 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w2 = (w2 + (((w3 >>> r7) + w3 * l25) ^ ((w3 >>> r18) + w3 * l14) ^ (w3 >>> r3)) + w11 + (((w0 >>> r17) + w0 * l15) ^ ((w0 >>> r19) + w0 * l13) ^ (w0 >>> r10))) & mask
		f += 0x0fc19dc6 + w2 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w3 = (w3 + (((w4 >>> r7) + w4 * l25) ^ ((w4 >>> r18) + w4 * l14) ^ (w4 >>> r3)) + w12 + (((w1 >>> r17) + w1 * l15) ^ ((w1 >>> r19) + w1 * l13) ^ (w1 >>> r10))) & mask
		e += 0x240ca1cc + w3 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w4 = (w4 + (((w5 >>> r7) + w5 * l25) ^ ((w5 >>> r18) + w5 * l14) ^ (w5 >>> r3)) + w13 + (((w2 >>> r17) + w2 * l15) ^ ((w2 >>> r19) + w2 * l13) ^ (w2 >>> r10))) & mask
		d += 0x2de92c6f + w4 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w5 = (w5 + (((w6 >>> r7) + w6 * l25) ^ ((w6 >>> r18) + w6 * l14) ^ (w6 >>> r3)) + w14 + (((w3 >>> r17) + w3 * l15) ^ ((w3 >>> r19) + w3 * l13) ^ (w3 >>> r10))) & mask
		c += 0x4a7484aa + w5 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w6 = (w6 + (((w7 >>> r7) + w7 * l25) ^ ((w7 >>> r18) + w7 * l14) ^ (w7 >>> r3)) + w15 + (((w4 >>> r17) + w4 * l15) ^ ((w4 >>> r19) + w4 * l13) ^ (w4 >>> r10))) & mask
		b += 0x5cb0a9dc + w6 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w7 = (w7 + (((w8 >>> r7) + w8 * l25) ^ ((w8 >>> r18) + w8 * l14) ^ (w8 >>> r3)) + w0 + (((w5 >>> r17) + w5 * l15) ^ ((w5 >>> r19) + w5 * l13) ^ (w5 >>> r10))) & mask
		a += 0x76f988da + w7 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w8 = (w8 + (((w9 >>> r7) + w9 * l25) ^ ((w9 >>> r18) + w9 * l14) ^ (w9 >>> r3)) + w1 + (((w6 >>> r17) + w6 * l15) ^ ((w6 >>> r19) + w6 * l13) ^ (w6 >>> r10))) & mask
		h += 0x983e5152 + w8 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w9 = (w9 + (((w10 >>> r7) + w10 * l25) ^ ((w10 >>> r18) + w10 * l14) ^ (w10 >>> r3)) + w2 + (((w7 >>> r17) + w7 * l15) ^ ((w7 >>> r19) + w7 * l13) ^ (w7 >>> r10))) & mask
		g += 0xa831c66d + w9 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w10 = (w10 + (((w11 >>> r7) + w11 * l25) ^ ((w11 >>> r18) + w11 * l14) ^ (w11 >>> r3)) + w3 + (((w8 >>> r17) + w8 * l15) ^ ((w8 >>> r19) + w8 * l13) ^ (w8 >>> r10))) & mask
		f += 0xb00327c8 + w10 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w11 = (w11 + (((w12 >>> r7) + w12 * l25) ^ ((w12 >>> r18) + w12 * l14) ^ (w12 >>> r3)) + w4 + (((w9 >>> r17) + w9 * l15) ^ ((w9 >>> r19) + w9 * l13) ^ (w9 >>> r10))) & mask
		e += 0xbf597fc7 + w11 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w12 = (w12 + (((w13 >>> r7) + w13 * l25) ^ ((w13 >>> r18) + w13 * l14) ^ (w13 >>> r3)) + w5 + (((w10 >>> r17) + w10 * l15) ^ ((w10 >>> r19) + w10 * l13) ^ (w10 >>> r10))) & mask
		d += 0xc6e00bf3 + w12 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w13 = (w13 + (((w14 >>> r7) + w14 * l25) ^ ((w14 >>> r18) + w14 * l14) ^ (w14 >>> r3)) + w6 + (((w11 >>> r17) + w11 * l15) ^ ((w11 >>> r19) + w11 * l13) ^ (w11 >>> r10))) & mask
		c += 0xd5a79147 + w13 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w14 = (w14 + (((w15 >>> r7) + w15 * l25) ^ ((w15 >>> r18) + w15 * l14) ^ (w15 >>> r3)) + w7 + (((w12 >>> r17) + w12 * l15) ^ ((w12 >>> r19) + w12 * l13) ^ (w12 >>> r10))) & mask
		b += 0x06ca6351 + w14 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w15 = (w15 + (((w0 >>> r7) + w0 * l25) ^ ((w0 >>> r18) + w0 * l14) ^ (w0 >>> r3)) + w8 + (((w13 >>> r17) + w13 * l15) ^ ((w13 >>> r19) + w13 * l13) ^ (w13 >>> r10))) & mask
		a += 0x14292967 + w15 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w0 = (w0 + (((w1 >>> r7) + w1 * l25) ^ ((w1 >>> r18) + w1 * l14) ^ (w1 >>> r3)) + w9 + (((w14 >>> r17) + w14 * l15) ^ ((w14 >>> r19) + w14 * l13) ^ (w14 >>> r10))) & mask
		h += 0x27b70a85 + w0 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w1 = (w1 + (((w2 >>> r7) + w2 * l25) ^ ((w2 >>> r18) + w2 * l14) ^ (w2 >>> r3)) + w10 + (((w15 >>> r17) + w15 * l15) ^ ((w15 >>> r19) + w15 * l13) ^ (w15 >>> r10))) & mask
		g += 0x2e1b2138 + w1 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w2 = (w2 + (((w3 >>> r7) + w3 * l25) ^ ((w3 >>> r18) + w3 * l14) ^ (w3 >>> r3)) + w11 + (((w0 >>> r17) + w0 * l15) ^ ((w0 >>> r19) + w0 * l13) ^ (w0 >>> r10))) & mask
		f += 0x4d2c6dfc + w2 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w3 = (w3 + (((w4 >>> r7) + w4 * l25) ^ ((w4 >>> r18) + w4 * l14) ^ (w4 >>> r3)) + w12 + (((w1 >>> r17) + w1 * l15) ^ ((w1 >>> r19) + w1 * l13) ^ (w1 >>> r10))) & mask
		e += 0x53380d13 + w3 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w4 = (w4 + (((w5 >>> r7) + w5 * l25) ^ ((w5 >>> r18) + w5 * l14) ^ (w5 >>> r3)) + w13 + (((w2 >>> r17) + w2 * l15) ^ ((w2 >>> r19) + w2 * l13) ^ (w2 >>> r10))) & mask
		d += 0x650a7354 + w4 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w5 = (w5 + (((w6 >>> r7) + w6 * l25) ^ ((w6 >>> r18) + w6 * l14) ^ (w6 >>> r3)) + w14 + (((w3 >>> r17) + w3 * l15) ^ ((w3 >>> r19) + w3 * l13) ^ (w3 >>> r10))) & mask
		c += 0x766a0abb + w5 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w6 = (w6 + (((w7 >>> r7) + w7 * l25) ^ ((w7 >>> r18) + w7 * l14) ^ (w7 >>> r3)) + w15 + (((w4 >>> r17) + w4 * l15) ^ ((w4 >>> r19) + w4 * l13) ^ (w4 >>> r10))) & mask
		b += 0x81c2c92e + w6 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w7 = (w7 + (((w8 >>> r7) + w8 * l25) ^ ((w8 >>> r18) + w8 * l14) ^ (w8 >>> r3)) + w0 + (((w5 >>> r17) + w5 * l15) ^ ((w5 >>> r19) + w5 * l13) ^ (w5 >>> r10))) & mask
		a += 0x92722c85 + w7 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w8 = (w8 + (((w9 >>> r7) + w9 * l25) ^ ((w9 >>> r18) + w9 * l14) ^ (w9 >>> r3)) + w1 + (((w6 >>> r17) + w6 * l15) ^ ((w6 >>> r19) + w6 * l13) ^ (w6 >>> r10))) & mask
		h += 0xa2bfe8a1 + w8 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w9 = (w9 + (((w10 >>> r7) + w10 * l25) ^ ((w10 >>> r18) + w10 * l14) ^ (w10 >>> r3)) + w2 + (((w7 >>> r17) + w7 * l15) ^ ((w7 >>> r19) + w7 * l13) ^ (w7 >>> r10))) & mask
		g += 0xa81a664b + w9 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w10 = (w10 + (((w11 >>> r7) + w11 * l25) ^ ((w11 >>> r18) + w11 * l14) ^ (w11 >>> r3)) + w3 + (((w8 >>> r17) + w8 * l15) ^ ((w8 >>> r19) + w8 * l13) ^ (w8 >>> r10))) & mask
		f += 0xc24b8b70 + w10 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w11 = (w11 + (((w12 >>> r7) + w12 * l25) ^ ((w12 >>> r18) + w12 * l14) ^ (w12 >>> r3)) + w4 + (((w9 >>> r17) + w9 * l15) ^ ((w9 >>> r19) + w9 * l13) ^ (w9 >>> r10))) & mask
		e += 0xc76c51a3 + w11 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w12 = (w12 + (((w13 >>> r7) + w13 * l25) ^ ((w13 >>> r18) + w13 * l14) ^ (w13 >>> r3)) + w5 + (((w10 >>> r17) + w10 * l15) ^ ((w10 >>> r19) + w10 * l13) ^ (w10 >>> r10))) & mask
		d += 0xd192e819 + w12 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w13 = (w13 + (((w14 >>> r7) + w14 * l25) ^ ((w14 >>> r18) + w14 * l14) ^ (w14 >>> r3)) + w6 + (((w11 >>> r17) + w11 * l15) ^ ((w11 >>> r19) + w11 * l13) ^ (w11 >>> r10))) & mask
		c += 0xd6990624 + w13 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w14 = (w14 + (((w15 >>> r7) + w15 * l25) ^ ((w15 >>> r18) + w15 * l14) ^ (w15 >>> r3)) + w7 + (((w12 >>> r17) + w12 * l15) ^ ((w12 >>> r19) + w12 * l13) ^ (w12 >>> r10))) & mask
		b += 0xf40e3585 + w14 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w15 = (w15 + (((w0 >>> r7) + w0 * l25) ^ ((w0 >>> r18) + w0 * l14) ^ (w0 >>> r3)) + w8 + (((w13 >>> r17) + w13 * l15) ^ ((w13 >>> r19) + w13 * l13) ^ (w13 >>> r10))) & mask
		a += 0x106aa070 + w15 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w0 = (w0 + (((w1 >>> r7) + w1 * l25) ^ ((w1 >>> r18) + w1 * l14) ^ (w1 >>> r3)) + w9 + (((w14 >>> r17) + w14 * l15) ^ ((w14 >>> r19) + w14 * l13) ^ (w14 >>> r10))) & mask
		h += 0x19a4c116 + w0 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w1 = (w1 + (((w2 >>> r7) + w2 * l25) ^ ((w2 >>> r18) + w2 * l14) ^ (w2 >>> r3)) + w10 + (((w15 >>> r17) + w15 * l15) ^ ((w15 >>> r19) + w15 * l13) ^ (w15 >>> r10))) & mask
		g += 0x1e376c08 + w1 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w2 = (w2 + (((w3 >>> r7) + w3 * l25) ^ ((w3 >>> r18) + w3 * l14) ^ (w3 >>> r3)) + w11 + (((w0 >>> r17) + w0 * l15) ^ ((w0 >>> r19) + w0 * l13) ^ (w0 >>> r10))) & mask
		f += 0x2748774c + w2 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w3 = (w3 + (((w4 >>> r7) + w4 * l25) ^ ((w4 >>> r18) + w4 * l14) ^ (w4 >>> r3)) + w12 + (((w1 >>> r17) + w1 * l15) ^ ((w1 >>> r19) + w1 * l13) ^ (w1 >>> r10))) & mask
		e += 0x34b0bcb5 + w3 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w4 = (w4 + (((w5 >>> r7) + w5 * l25) ^ ((w5 >>> r18) + w5 * l14) ^ (w5 >>> r3)) + w13 + (((w2 >>> r17) + w2 * l15) ^ ((w2 >>> r19) + w2 * l13) ^ (w2 >>> r10))) & mask
		d += 0x391c0cb3 + w4 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w5 = (w5 + (((w6 >>> r7) + w6 * l25) ^ ((w6 >>> r18) + w6 * l14) ^ (w6 >>> r3)) + w14 + (((w3 >>> r17) + w3 * l15) ^ ((w3 >>> r19) + w3 * l13) ^ (w3 >>> r10))) & mask
		c += 0x4ed8aa4a + w5 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w6 = (w6 + (((w7 >>> r7) + w7 * l25) ^ ((w7 >>> r18) + w7 * l14) ^ (w7 >>> r3)) + w15 + (((w4 >>> r17) + w4 * l15) ^ ((w4 >>> r19) + w4 * l13) ^ (w4 >>> r10))) & mask
		b += 0x5b9cca4f + w6 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w7 = (w7 + (((w8 >>> r7) + w8 * l25) ^ ((w8 >>> r18) + w8 * l14) ^ (w8 >>> r3)) + w0 + (((w5 >>> r17) + w5 * l15) ^ ((w5 >>> r19) + w5 * l13) ^ (w5 >>> r10))) & mask
		a += 0x682e6ff3 + w7 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		w8 = (w8 + (((w9 >>> r7) + w9 * l25) ^ ((w9 >>> r18) + w9 * l14) ^ (w9 >>> r3)) + w1 + (((w6 >>> r17) + w6 * l15) ^ ((w6 >>> r19) + w6 * l13) ^ (w6 >>> r10))) & mask
		h += 0x748f82ee + w8 + (((e >>> r6) + e * l26) ^ ((e >>> r11) + e * l21) ^ ((e >>> r25) + e * l7)) + (g ^ (e & (f ^ g)))
		d = (d + h) & mask; y = a ^ b; h = (h + (((a >>> r2) + a * l30) ^ ((a >>> r13) + a * l19) ^ ((a >>> r22) + a * l10)) + (b ^ (y & x))) & mask
		w9 = (w9 + (((w10 >>> r7) + w10 * l25) ^ ((w10 >>> r18) + w10 * l14) ^ (w10 >>> r3)) + w2 + (((w7 >>> r17) + w7 * l15) ^ ((w7 >>> r19) + w7 * l13) ^ (w7 >>> r10))) & mask
		g += 0x78a5636f + w9 + (((d >>> r6) + d * l26) ^ ((d >>> r11) + d * l21) ^ ((d >>> r25) + d * l7)) + (f ^ (d & (e ^ f)))
		c = (c + g) & mask; x = h ^ a; g = (g + (((h >>> r2) + h * l30) ^ ((h >>> r13) + h * l19) ^ ((h >>> r22) + h * l10)) + (a ^ (x & y))) & mask
		w10 = (w10 + (((w11 >>> r7) + w11 * l25) ^ ((w11 >>> r18) + w11 * l14) ^ (w11 >>> r3)) + w3 + (((w8 >>> r17) + w8 * l15) ^ ((w8 >>> r19) + w8 * l13) ^ (w8 >>> r10))) & mask
		f += 0x84c87814 + w10 + (((c >>> r6) + c * l26) ^ ((c >>> r11) + c * l21) ^ ((c >>> r25) + c * l7)) + (e ^ (c & (d ^ e)))
		b = (b + f) & mask; y = g ^ h; f = (f + (((g >>> r2) + g * l30) ^ ((g >>> r13) + g * l19) ^ ((g >>> r22) + g * l10)) + (h ^ (y & x))) & mask
		w11 = (w11 + (((w12 >>> r7) + w12 * l25) ^ ((w12 >>> r18) + w12 * l14) ^ (w12 >>> r3)) + w4 + (((w9 >>> r17) + w9 * l15) ^ ((w9 >>> r19) + w9 * l13) ^ (w9 >>> r10))) & mask
		e += 0x8cc70208 + w11 + (((b >>> r6) + b * l26) ^ ((b >>> r11) + b * l21) ^ ((b >>> r25) + b * l7)) + (d ^ (b & (c ^ d)))
		a = (a + e) & mask; x = f ^ g; e = (e + (((f >>> r2) + f * l30) ^ ((f >>> r13) + f * l19) ^ ((f >>> r22) + f * l10)) + (g ^ (x & y))) & mask
		w12 = (w12 + (((w13 >>> r7) + w13 * l25) ^ ((w13 >>> r18) + w13 * l14) ^ (w13 >>> r3)) + w5 + (((w10 >>> r17) + w10 * l15) ^ ((w10 >>> r19) + w10 * l13) ^ (w10 >>> r10))) & mask
		d += 0x90befffa + w12 + (((a >>> r6) + a * l26) ^ ((a >>> r11) + a * l21) ^ ((a >>> r25) + a * l7)) + (c ^ (a & (b ^ c)))
		h = (h + d) & mask; y = e ^ f; d = (d + (((e >>> r2) + e * l30) ^ ((e >>> r13) + e * l19) ^ ((e >>> r22) + e * l10)) + (f ^ (y & x))) & mask
		w13 = (w13 + (((w14 >>> r7) + w14 * l25) ^ ((w14 >>> r18) + w14 * l14) ^ (w14 >>> r3)) + w6 + (((w11 >>> r17) + w11 * l15) ^ ((w11 >>> r19) + w11 * l13) ^ (w11 >>> r10))) & mask
		c += 0xa4506ceb + w13 + (((h >>> r6) + h * l26) ^ ((h >>> r11) + h * l21) ^ ((h >>> r25) + h * l7)) + (b ^ (h & (a ^ b)))
		g = (g + c) & mask; x = d ^ e; c = (c + (((d >>> r2) + d * l30) ^ ((d >>> r13) + d * l19) ^ ((d >>> r22) + d * l10)) + (e ^ (x & y))) & mask
		w14 = (w14 + (((w15 >>> r7) + w15 * l25) ^ ((w15 >>> r18) + w15 * l14) ^ (w15 >>> r3)) + w7 + (((w12 >>> r17) + w12 * l15) ^ ((w12 >>> r19) + w12 * l13) ^ (w12 >>> r10))) & mask
		b += 0xbef9a3f7 + w14 + (((g >>> r6) + g * l26) ^ ((g >>> r11) + g * l21) ^ ((g >>> r25) + g * l7)) + (a ^ (g & (h ^ a)))
		f = (f + b) & mask; y = c ^ d; b = (b + (((c >>> r2) + c * l30) ^ ((c >>> r13) + c * l19) ^ ((c >>> r22) + c * l10)) + (d ^ (y & x))) & mask
		w15 = (w15 + (((w0 >>> r7) + w0 * l25) ^ ((w0 >>> r18) + w0 * l14) ^ (w0 >>> r3)) + w8 + (((w13 >>> r17) + w13 * l15) ^ ((w13 >>> r19) + w13 * l13) ^ (w13 >>> r10))) & mask
		a += 0xc67178f2 + w15 + (((f >>> r6) + f * l26) ^ ((f >>> r11) + f * l21) ^ ((f >>> r25) + f * l7)) + (h ^ (f & (g ^ h)))
		e = (e + a) & mask; x = b ^ c; a = (a + (((b >>> r2) + b * l30) ^ ((b >>> r13) + b * l19) ^ ((b >>> r22) + b * l10)) + (c ^ (x & y))) & mask
		h0 = (h0 + a) & mask; h1 = (h1 + b) & mask; h2 = (h2 + c) & mask; h3 = (h3 + d) & mask
		h4 = (h4 + e) & mask; h5 = (h5 + f) & mask; h6 = (h6 + g) & mask; h7 = (h7 + h) & mask
	}
	hash[0] = h0; hash[1] = h1; hash[2] = h2; hash[3] = h3
	hash[4] = h4; hash[5] = h5; hash[6] = h6; hash[7] = h7
}

// The hash of nothing but the key's block, each byte of it under `mask`.
local Padded = function(block, mask)
{
	local words = []
	for (local at = 0; at < 64; at += 4)
		words.append(mask ^ ((block[at] << 24) | ((block[at + 1] & 255) << 16)
			| ((block[at + 2] & 255) << 8) | (block[at + 3] & 255)))
	local hash = START.slice(0)
	Compress(hash, words, null, 0, 1)
	return hash
}

function HmacKey(text)
{
	if (text.len() > 64)
		return null
	local block = text + ZEROS.slice(text.len())
	return { inner = Padded(block, 0x36363636), outer = Padded(block, 0x5c5c5c5c) }
}

function HmacStart(key, text)
{
	local rest = text.len() & 63, whole = text.len() >>> 6
	// What is hashed has the key's block before the text. Its bits are counted.
	local bits = (text.len() + 64) << 3
	local tail = text.slice(text.len() - rest) + "\x80" + ZEROS.slice(0, (119 - rest) & 63)
		+ ZEROS.slice(0, 4) + format("%c%c%c%c", bits >>> 24, bits >>> 16, bits >>> 8, bits)
	return {
		done = false
		left = whole + tail.len() / 64 + 1
		hash = key.inner.slice(0)
		outer = key.outer
		text = text
		at = 0
		whole = whole
		tail = tail
	}
}

function HmacStep(job, blocks)
{
	local did = 0
	while (did < blocks && !job.done)
	{
		local count = job.whole < blocks - did ? job.whole : blocks - did
		if (count > 0)
		{
			Compress(job.hash, null, job.text, job.at, count)
			job.at += count * 64
			job.whole -= count
		}
		else if (job.tail)
		{
			// Two blocks at most, where the text's own rest left no room for the length.
			job.text = job.tail
			job.at = 0
			job.whole = job.tail.len() / 64
			job.tail = null
		}
		else
		{
			local words = job.hash
			words.extend([0x80000000, 0, 0, 0, 0, 0, 0, (64 + 32) * 8])
			job.hash = job.outer.slice(0)
			Compress(job.hash, words, null, 0, 1)
			job.done = true
			count = 1
		}
		did += count
	}
	job.left -= did
	return did
}

function HmacHex(job)
{
	local h = job.hash
	return format("%08x%08x%08x%08x%08x%08x%08x%08x", h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7])
}

function HmacText(job)
{
	local text = ""
	foreach (word in job.hash)
		text += format("%c%c%c%c", word >>> 24, word >>> 16, word >>> 8, word)
	return text
}
}
vpi.part()

// ======== json.nut

vpi.part <- function()
{
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

// What `typeof` says can be told it by a metamethod. Whoever replaced this function before was
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

// As few digits as give the same number again, and what tells it from a whole one.
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
				// A function of the table itself cannot be asked: it may be an entry.
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


// ======== json_read.nut

this.part <- function()
{
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
}
this.part()
}
vpi.part()

// ======== player_text.nut

vpi.part <- function()
{
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
}
vpi.part()

// ======== log.nut

vpi.part <- function()
{
// What owners read on the console, and once in a while in the chat.

local vpi = this
local print = ::print, type = ::type, ClientPrint = ::ClientPrint
local PlayerInstanceFromIndex = ::PlayerInstanceFromIndex, MaxClients = ::MaxClients
local ForClientPrint = vpi.ForClientPrint

vpi.DEBUG <- 1
vpi.ERROR <- 2
vpi.WARNING <- 4
vpi.INFO <- 8

local MARKS = { [1] = "DEBUG -- ", [2] = "ERROR -- ", [4] = "WARNING -- ", [8] = "" }
local logging = { level = 14 }

vpi.logging <- logging

// Can be found on the stack by scripts, and called.
vpi.Log <- function(level, text)
{
	if (type(level) == "integer" && type(text) == "string" && logging.level & level)
		print("[VPI] -- " + MARKS[level] + text + "\n")
}

// An error as text. What was thrown can be anything, and have a mind of its own.
vpi.ErrorText <- function(error)
{
	return type(error) == "string" ? error : "a value of type " + type(error)
}

// Something the owner must know: on the console now, and in the chat once somebody is there.
local forChat = []

vpi.Announce <- function(text)
{
	print("[VPI] -- ERROR -- " + text + "\n")
	forChat.append(text)
}

vpi.ShowInChat <- function()
{
	if (forChat.len() == 0)
		return
	local count = MaxClients().tointeger()
	for (local i = 1; i <= count; i++)
	{
		if (PlayerInstanceFromIndex(i) == null)
			continue
		foreach (text in forChat)
			ClientPrint(null, 3, ForClientPrint("\x07FF5757[VPI] " + text))
		forChat.clear()
		return
	}
}
}
vpi.part()

// ======== config.nut

vpi.part <- function()
{
// The owner's settings: read once at the start, from vpi_config.nut if there is one.

local vpi = this
local type = ::type, regexp = ::regexp, consts = ::getconsttable()
local Include = ::DoIncludeScript, Match = ::regexp.match
local rawget = {}.rawget, rawin = {}.rawin, rawdelete = {}.rawdelete
local Log = vpi.Log, Announce = vpi.Announce, ErrorText = vpi.ErrorText, logging = vpi.logging

local MARK = "VPI_CONFIG"

// `scripts` is null as long as all may call everything; else by file name null for everything, or
// { names, patterns }.
local settings = {
	ready = false
	scripts = null
	gatherTicks = 33
	heartbeatTicks = 667
	host = ""
}
vpi.settings <- settings

local Rules = function(file, given, problems)
{
	if (given == null)
		return null
	if (type(given) != "array")
	{
		problems.append("scripts: what " + file + " may call is no list")
		return null
	}
	local rules = { names = {}, patterns = [] }
	foreach (entry in given)
	{
		if (type(entry) != "string")
			problems.append("scripts: " + file + " has an entry that is no text")
		else if (entry.len() > 2 && entry[0] == '/' && entry[entry.len() - 1] == '/')
		{
			try { rules.patterns.append(regexp(entry.slice(1, -1))) }
			catch (problem) { problems.append("scripts: " + file + ": " + entry + " is no regular expression") }
		}
		else
			rules.names[entry] <- null
	}
	return given.len() > 0 ? rules : null
}

local Whole = function(name, value, least, most, problems)
{
	if (type(value) == "integer" && value >= least && value <= most)
		return value
	problems.append(name + ": is no whole number from " + least + " to " + most)
	return least
}

// What each setting of the file means.
local READ = {
	function scripts(value, problems)
	{
		if (type(value) != "table")
			return problems.append("scripts: is no table")
		local all = {}
		foreach (file, given in value)
		{
			if (type(file) != "string" || file.len() < 5 || file.slice(-4) != ".nut")
				problems.append("scripts: \"" + file + "\" is no name of a script file")
			else
				all[file] <- Rules(file, given, problems)
		}
		settings.scripts = all.len() > 0 ? all : null
	}
	function gather_ticks(value, problems) { settings.gatherTicks = Whole("gather_ticks", value, 1, 667, problems) }
	function heartbeat_seconds(value, problems)
	{
		settings.heartbeatTicks = Whole("heartbeat_seconds", value, 0, 3600, problems) * 200 / 3
	}
	function log_level(value, problems) { logging.level = Whole("log_level", value, 0, 15, problems) }
	function host(value, problems)
	{
		local plain = type(value) == "string" && value.len() <= 128
		if (plain)
			foreach (byte in value)
				plain = plain && (byte >= 'a' && byte <= 'z' || byte >= '0' && byte <= '9' || byte == '_')
		if (plain)
			settings.host = value
		else
			problems.append("host: only lower case letters, digits and _ can stand in it")
	}
}

local Accept = function(config, there, problem)
{
	if (!there)
	{
		Log(vpi.INFO, "There is no vpi_config.nut: every script file may call every function")
		return settings.ready = true
	}
	local problems = []
	if (problem != null)
		problems.append(problem)
	else
		foreach (name, value in config)
		{
			if (name in READ)
				READ[name](value, problems)
			else
				problems.append("\"" + name + "\" is no setting")
		}
	if (problems.len() == 0)
		return settings.ready = true
	foreach (text in problems)
		Announce("vpi_config.nut: " + text)
	Announce("VPI does not start, since vpi_config.nut has mistakes")
	return false
}

// Runs the owner's file. This function and its variables can be looked at from there. The file's
// first line is a constant, which exists as soon as the line has been read, even if the rest
// cannot be compiled: so a file with a mistake is not taken for one that is not there.
vpi.Configure <- function()
{
	local config = {}, problem = null, ran = false
	try { rawdelete.call(consts, MARK) } catch (_) {}
	try { ran = Include("vpi_config", config) != false }
	catch (error) {}
	local there = rawin.call(consts, MARK) || ran
	if (rawin.call(consts, MARK))
		rawdelete.call(consts, MARK)
	else if (ran)
		problem = "its first line, const VPI_CONFIG = 1, is missing"
	if (there && !ran)
		problem = "it cannot be compiled, or ends with an error; see above"
	return Accept(config, there, problem)
}

// Whether a script file may call a function of vpid. `func` is null for all the rest that VPI
// offers, for which being listed is enough.
vpi.Allows <- function(src, func)
{
	if (!settings.ready || src.len() < 5 || src.slice(-4) != ".nut")
		return false
	local scripts = settings.scripts
	if (scripts == null)
		return true
	if (!(src in scripts))
		return false
	local rules = scripts[src]
	if (rules == null || func == null || func in rules.names)
		return true
	foreach (pattern in rules.patterns)
		if (Match.call(pattern, func))
			return true
	return false
}
}
vpi.part()

// ======== speech.nut

vpi.part <- function()
{
// Keeps scripts from speaking for players. `Say` and `SendGlobalGameEvent` make the engine write the
// same lines into its log, and raise the same events, as what players do themselves; commands of admins
// are read from there. So scripts go on saying things and raising events, except what would be a command
// of a player, and what the engine says of players.
//
// The engine raises events while these functions of the game run, and who handles one can look at the
// variables of all functions that wait. So one that waits holds no more than a spent `Once`; the one that
// made it has been left by then, since a call in a `return` takes the place of the function that makes it.
// That one in turn calls nobody else, and lets another throw.

local vpi = this
local root = vpi.root, Log = vpi.Log
local type = ::type, getstackinfos = ::getstackinfos
local rawget = {}.rawget, rawset = {}.rawset, rawin = {}.rawin
local IsPlayer = "IsPlayer" in ::CBaseEntity ? ::CBaseEntity.IsPlayer : null
local Entities = ::Entities, FindByClassname = ::Entities.FindByClassname

local SCRIPTS_LOGGED_MAX = 64, PREFIXES_MAX = 32

// How commands begin; vpid says it when a session begins. `doubt`: what makes chat doubtful on this map, a
// part of a sentence, or null. `silent`: nothing more will be heard of this side on this map.
local speech = { prefixes = ["!", "/"], doubt = null, silent = false }
vpi.speech <- speech

// What scripts may raise of the events that begin with `player_`: nothing follows from these.
local HARMLESS = { player_hintmessage = null }

// Gives functions that give a native, each once.
local Lender = function(name)
{
	local native = rawin.call(root, name) ? rawget.call(root, name) : null
	return function()
	{
		local once = native
		return function()
		{
			local given = once
			once = null
			return given
		}
	}
}

local Source = function(info)
{
	return info == null ? "?" : info.src
}

local logged = {}

// Says it once for each script and kind.
local Refused = function(kind, src, text)
{
	local key = kind + " " + src
	if (key in logged || logged.len() >= SCRIPTS_LOGGED_MAX)
		return
	logged[key] <- null
	Log(4, src + " " + text)
}

// ---- What is a command

local IsBlank = function(byte)
{
	byte = byte & 255
	// Colours, blanks, quotation marks (the engine takes them off), and whatever is no ASCII: much of that
	// cannot be seen.
	return byte <= 32 || byte >= 127 || byte == '"' || byte == '\''
}

// Of sixteen, in lower case.
local IsDigit = function(byte)
{
	return byte >= '0' && byte <= '9' || byte >= 'a' && byte <= 'f'
}

local IsLetter = function(text, at)
{
	local byte = at < text.len() ? text[at] & 255 : 0
	return byte >= 'a' && byte <= 'z' || byte == '_'
}

// Whether a line, in lower case, begins with a command's prefix from `at` on, as the engine or a reader of
// its log may see it.
local BeginsCommand = function(line, at)
{
	while (true)
	{
		foreach (prefix in speech.prefixes)
			if (at + prefix.len() <= line.len() && line.slice(at, at + prefix.len()) == prefix)
				return true
		if (at < line.len() && IsBlank(line[at]))
		{
			// Digits of a colour follow these two.
			local digits = line[at] == 7 ? 6 : (line[at] == 8 ? 8 : 0)
			for (at++; digits > 0 && at < line.len() && IsDigit(line[at]); digits--)
				at++
			continue
		}
		// The engine takes these words for its own command.
		local word = line.find("say_team", at) == at ? 8 : (line.find("say", at) == at ? 3 : 0)
		if (word == 0 || IsLetter(line, at + word))
			return false
		at += word
	}
}

// Also in what follows an end of a line, a `;`, or a comment.
local IsCommand = function(text)
{
	text = text.tolower()
	if (BeginsCommand(text, 0))
		return true
	foreach (at, byte in text)
		if ((byte == '\n' || byte == '\r' || byte == ';') && BeginsCommand(text, at + 1))
			return true
	return false
}

// The same for what a player's game is to run.
local SpeaksCommand = function(text)
{
	text = text.tolower()
	local at = text.find("say")
	if (at == null)
		return false
	foreach (prefix in speech.prefixes)
		if (text.find(prefix, at) != null)
			return true
	return false
}

local Wrong = function(place, value)
{
	return "parameter " + place + " has an invalid type '" + type(value) + "' ; expected: 'string'"
}

// Each of these gives null where a call may go on, true where it is refused, else an error as a text. They
// never throw. The one who calls is the third on the stack.
local CheckSay = function(player, text)
{
	try
	{
		if (text == null)
			return null
		if (type(text) != "string")
			return Wrong(2, text)
		if (player == null || !IsCommand(text))
			return null
		// What the world says is not what a player says.
		if (IsPlayer != null && type(player) == "instance")
		{
			local plays = true
			try { plays = IsPlayer.call(player) } catch (_) {}
			if (!plays)
				return null
		}
		Refused("Say", Source(getstackinfos(3)), "tried to say a command in the name of a player; that is refused")
		return true
	}
	catch (_) { return "Say failed" }
}

local CheckEvent = function(name)
{
	try
	{
		if (name == null)
			return null
		if (type(name) != "string")
			return Wrong(1, name)
		local event = name.tolower()
		if (event.find("player_") != 0 || event in HARMLESS)
			return null
		Refused("event", Source(getstackinfos(3)), "tried to raise the game's event " + event + "; what the engine says of"
			+ " players is not for scripts")
		return true
	}
	catch (_) { return "SendGlobalGameEvent failed" }
}

local CheckInput = function(input, param)
{
	try
	{
		if (type(input) != "string" || type(param) != "string")
			return null
		if (input.tolower() != "command" && param.tolower().find("command") == null || !SpeaksCommand(param))
			return null
		Refused("input", Source(getstackinfos(3)), "tried to let a player's game say a command; that is refused")
		return true
	}
	catch (_) { return "the input failed" }
}

// ---- The functions in the game's place

local LendSay = Lender("Say"), LendRaise = Lender("SendGlobalGameEvent")
local LendFire = Lender("DoEntFire"), LendFireAt = Lender("EntFireByHandle")

// These wait while the game's function runs.
local With2 = function(once, a, b) { return once()(a, b) }
local With3 = function(once, a, b, c) { return once()(a, b, c) }
local With6 = function(once, a, b, c, d, e, f) { return once()(a, b, c, d, e, f) }
local Throw = function(text) { throw text }

local wrappers = {
	function Say(player, text, team)
	{
		local refused = CheckSay(player, text)
		if (refused == null)
			return With3(LendSay(), player, text, team)
		if (refused != true)
			return Throw(refused)
	}
	function SendGlobalGameEvent(name, data)
	{
		local refused = CheckEvent(name)
		if (refused == null)
			return With2(LendRaise(), name, data)
		if (refused != true)
			return Throw(refused)
	}
}

// Who replaces these does no harm: the game's own stay out of reach.
local inputs = {
	function DoEntFire(target, input, param, delay, activator, caller)
	{
		local refused = CheckInput(input, param)
		if (refused == null)
			return With6(LendFire(), target, input, param, delay, activator, caller)
		if (refused != true)
			return Throw(refused)
	}
	function EntFireByHandle(entity, input, param, delay, activator, caller)
	{
		local refused = CheckInput(input, param)
		if (refused == null)
			return With6(LendFireAt(), entity, input, param, delay, activator, caller)
		if (refused != true)
			return Throw(refused)
	}
}

// Other games on this engine may lack some of them.
local watched = {}

vpi.ProtectSpeech <- function()
{
	foreach (name, wrapper in wrappers)
		if (rawin.call(root, name))
			watched[name] <- wrapper
	foreach (list in [wrappers, inputs])
		foreach (name, wrapper in list)
			if (rawin.call(root, name))
				rawset.call(root, name, wrapper)
}

// What makes chat doubtful from now on. To the end of the map: nobody can tell what was said when. All else
// goes on, since the game's own functions stay out of reach.
vpi.CheckSpeech <- function()
{
	if (speech.doubt != null)
		return
	foreach (name, wrapper in watched)
		if (!rawin.call(root, name) || rawget.call(root, name) != wrapper)
			speech.doubt = "a script has changed " + name
	// It can make players say things without any script.
	if (speech.doubt == null && FindByClassname.call(Entities, null, "point_clientcommand") != null)
		speech.doubt = "it has a point_clientcommand, which can make players say things"
	if (speech.doubt != null)
		Log(4, "Commands in chat that change something may not count on this map: " + speech.doubt)
}

// vpid says how commands begin.
vpi.TakePrefixes <- function(list)
{
	if (type(list) != "array")
		return
	local prefixes = ["!", "/"]
	foreach (prefix in list)
		if (type(prefix) == "string" && prefix.len() > 0 && prefixes.len() < PREFIXES_MAX)
		{
			local low = prefix.tolower()
			if (prefixes.find(low) == null)
				prefixes.append(low)
		}
	speech.prefixes = prefixes
}

// How chat stands on this map, as vpid is told.
vpi.Guard <- function()
{
	return { doubt = speech.doubt, prefixes = speech.prefixes, silent = speech.silent }
}
}
vpi.part()

// ======== guard.nut

vpi.part <- function()
{
// Protects the files that vpid and the game talk through: scripts go on writing and reading files as
// before, but not these. And notices when somebody has put something else in our place.

local vpi = this
local root = vpi.root, Log = vpi.Log
local StringToFile = ::StringToFile, FileToString = ::FileToString, CompileString = ::compilestring
local type = ::type
local rawget = {}.rawget, rawset = {}.rawset, rawin = {}.rawin

// The parts of a path, as the game and its file system understand it.
local Parts = function(path)
{
	local parts = [], part = ""
	for (local i = 0; i <= path.len(); i++)
	{
		local byte = i < path.len() ? path[i] : 0
		if (byte != 0 && byte != '/' && byte != '\\')
		{
			part += byte.tochar()
			continue
		}
		// Windows leaves points and spaces at the end away, and takes what follows a colon for
		// another stream of the same file.
		local colon = part.find(":")
		if (colon != null && colon > 0)
			part = part.slice(0, colon)
		if (part == "..")
		{
			if (parts.len() > 0)
				parts.pop()
		}
		else
		{
			local end = part.len()
			while (end > 0 && (part[end - 1] == '.' || part[end - 1] == ' '))
				end--
			if (end > 0)
				parts.append(part.slice(0, end))
		}
		part = ""
		// The game sees a name up to its first NUL.
		if (byte == 0)
			break
	}
	return parts
}

// How files of ours end, and those that vpid makes of them.
local ENDING = ".interface", TAKEN = ".taken"

local Ours = function(name)
{
	local path = name.tolower()
	// Nearly all names end here.
	if (path.find("vpid") == null && path.find(ENDING) == null)
		return false
	local parts = Parts(path)
	if (parts.len() == 0)
		return false
	if (parts[0] == "vpid")
		return true
	// Folders too: one in the place of a file, or of what vpid makes of it, is in that file's way.
	foreach (part in parts)
	{
		local at = part.find(ENDING)
		while (at != null)
		{
			local behind = part.slice(at + ENDING.len())
			if (behind == "" || behind.find(".vpid") == 0 || behind.len() > TAKEN.len() && behind.slice(-TAKEN.len()) == TAKEN)
				return true
			at = part.find(ENDING, at + 1)
		}
	}
	return false
}

// These two give [result], or an error as text. They never throw: the functions of the game that they
// hold are not for those who handle errors.
local Write = function(name, text)
{
	try
	{
		if (name == null)
			name = ""
		if (text == null)
			text = ""
		if (type(name) != "string")
			return "parameter 1 has an invalid type '" + type(name) + "' ; expected: 'string'"
		if (type(text) != "string")
			return "parameter 2 has an invalid type '" + type(text) + "' ; expected: 'string'"
		if (!Ours(name))
			return [StringToFile(name, text)]
		Log(4, "A script tried to write " + name + ", which is for vpid only")
		return [false]
	}
	catch (_) { return "StringToFile failed" }
}

local Read = function(name)
{
	try
	{
		if (name == null)
			name = ""
		if (type(name) != "string")
			return "parameter 1 has an invalid type '" + type(name) + "' ; expected: 'string'"
		if (!Ours(name))
			return [FileToString(name)]
		Log(4, "A script tried to read " + name + ", which is for vpid only")
		return [null]
	}
	catch (_) { return "FileToString failed" }
}

// A name that looks like that of a file would let a script pass for another.
local Compile = function(text, name)
{
	try
	{
		if (type(text) != "string" || type(name) != "string")
			return "compilestring wants texts"
		local plain = name.tolower().find(".nut") == null
		foreach (byte in name)
			plain = plain && byte != 0
		return [CompileString(text, plain ? name : "compilestring")]
	}
	catch (problem) { return type(problem) == "string" ? problem : "compilestring failed" }
}

local wrappers = {
	function StringToFile(name, text)
	{
		local done = Write(name, text)
		if (type(done) == "string")
			throw done
		return done[0]
	}
	function FileToString(name)
	{
		local done = Read(name)
		if (type(done) == "string")
			throw done
		return done[0]
	}
	function compilestring(text, name = "compilestring")
	{
		local done = Compile(text, name)
		if (type(done) == "string")
			throw done
		return done[0]
	}
}

// Removed at the very start.
local GONE = ["setdebughook", "resurrectunreachable"]

vpi.Protect <- function()
{
	foreach (name, wrapper in wrappers)
		rawset.call(root, name, wrapper)
	vpi.ProtectSpeech()
}

local Is = function(table, name, value)
{
	return type(table) == "table" && rawin.call(table, name) && rawget.call(table, name) == value
}

// Gives the name of something of ours that somebody has changed, or null.
vpi.Tampered <- function(api)
{
	foreach (name, wrapper in wrappers)
		if (!Is(root, name, wrapper))
			return name
	foreach (name in GONE)
		if (rawin.call(root, name) && rawget.call(root, name) != null)
			return name
	if (!Is(root, "VPI", api.table))
		return "VPI"
	foreach (name, value in api.members)
		if (!Is(api.table, name, value))
			return "VPI." + name
	return null
}
}
vpi.part()

// ======== queues.nut

vpi.part <- function()
{
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
}
vpi.part()

// ======== call_check.nut

vpi.part <- function()
{
// What is wrong with a call that a script wants to make, in words: keys that no call has, and a caller who
// cannot be told.

local vpi = this
local type = ::type, Infos = (function() {}).getinfos, Log = vpi.Log

vpi.IsFunction <- function(value)
{
	local kind = type(value)
	return kind == "function" || kind == "native function"
}

local KEYS = ["func", "kwargs", "callback", "urgent", "timeout"]
local SAID_MAX = 64

// Whether two words differ by a letter that is missing, another one, or two that have changed places.
local Near = function(a, b)
{
	if (a.len() > b.len())
	{
		local longer = a
		a = b
		b = longer
	}
	if (b.len() - a.len() > 1)
		return false
	local at = 0
	while (at < a.len() && a[at] == b[at])
		at++
	local rest = a.slice(at)
	if (a.len() < b.len())
		return rest == b.slice(at + 1)
	if (at == a.len() || rest.slice(1) == b.slice(at + 1))
		return true
	return rest.len() > 1 && rest[0] == b[at + 1] && rest[1] == b[at] && rest.slice(2) == b.slice(at + 2)
}

local Meant = function(word)
{
	word = word.tolower()
	foreach (key in KEYS)
		if (Near(word, key) || word.len() > 1 && (key.find(word) == 0 || word.find(key) == 0))
			return key
	return null
}

// What is wrong with the keys of a call's table, or null.
vpi.WrongKey <- function(call)
{
	foreach (key, value in call)
	{
		if (type(key) != "string")
			return "a call has no key of type " + type(key)
		if (KEYS.find(key) != null)
			continue
		local shown = key.len() > 32 ? key.slice(0, 32) : key
		local meant = Meant(key)
		if (meant != null)
			return "unknown key '" + shown + "' of a call; did you mean '" + meant + "'?"
		return "unknown key '" + shown + "' of a call, which has func, kwargs, callback, urgent and timeout"
	}
	return null
}

local said = {}

// Says it once.
local Once = function(level, text)
{
	if (text in said || said.len() >= SAID_MAX)
		return
	said[text] <- null
	Log(level, text)
}

// A call is refused for something that its script should know of.
vpi.Complain <- function(what, src, problem)
{
	Once(vpi.ERROR, what + " of " + src + " is not sent: " + problem)
}

// The file in which a function stands, or null for one of the game's.
local FileOf = function(func)
{
	try
	{
		local infos = Infos.call(func)
		return infos.native ? null : infos.src
	}
	catch (_) { return null }
}

// Whether it can be told who calls: by the place from which it is called, and by the callback, which stands
// in the same file. A call in a `return` takes the place of the function that makes it, so its caller would
// be taken for whoever had called that one.
vpi.IsCaller <- function(what, info, callback)
{
	local file = vpi.IsFunction(callback) ? FileOf(callback) : null
	if (info == null)
	{
		Once(vpi.WARNING, what + (file == null ? "" : " of " + file) + " is refused: who calls cannot be told. Where"
			+ " it stands in a `return`, put what it gives into a variable first")
		return false
	}
	if (file == null || file == info.src)
		return true
	Once(vpi.WARNING, what + " of " + info.src + " is refused: its callback stands in " + file + ". Let each file"
		+ " make its own calls; where the call stands in a `return`, put what it gives into a variable first")
	return false
}
}
vpi.part()

// ======== calls.nut

vpi.part <- function()
{
// VPI.Call, VPI.AsyncCall and VPI.ChainCall: what scripts say, checked, copied and queued. And what
// becomes of a call: answered, timed out, or lost with its session.
//
// Scripts get an object for a call. What counts is the record that we keep for it; what they do to
// the object changes nothing.

local vpi = this
local getstackinfos = ::getstackinfos, type = ::type, format = ::format
local rawget = {}.rawget, rawin = {}.rawin, Weak = {}.weakref
local JsonCopy = vpi.JsonCopy, Allows = vpi.Allows, Log = vpi.Log, ErrorText = vpi.ErrorText
local queues = vpi.queues, QueueCall = vpi.QueueCall, Drop = vpi.Drop
local CALL = vpi.CALL, QUEUED = vpi.QUEUED

local TIMEOUT_S = 3.0, TIMEOUT_S_MAX = 3600.0
local FUNC_BYTES_MAX = 128, CHAIN_MAX = 100, WAITING_MAX = 4000
local SWEEP_AT = 256

local CallObject = class
{
	token = null
	func = null
	kwargs = null
	callback = null
	urgent = null
	timeout = null
}
// The class's own; scripts could give the class a constructor or another function of that name.
local Instance = (class {}).instance

// By token, until the call is sent. The objects are held weakly.
local records = {}
local sweepAt = SWEEP_AT
local lastId = 0

// Calls that were written and whose answer is awaited, by id; and calls by the tick in which their
// time is over.
local waiting = {}
local deadlines = {}
vpi.waiting <- waiting

// What is to be handed to scripts; delivery.nut does so.
local mail = { items = [], at = 0, running = [] }
vpi.mail <- mail

local IsFunction = vpi.IsFunction, WrongKey = vpi.WrongKey, IsCaller = vpi.IsCaller, Complain = vpi.Complain

local Field = function(table, key, missing)
{
	return rawin.call(table, key) ? rawget.call(table, key) : missing
}

local Ticks = function(seconds)
{
	local kind = type(seconds)
	// What is no number in sense either is not below the bound.
	if (kind != "integer" && kind != "float" || !(seconds > 0 && seconds <= TIMEOUT_S_MAX))
		seconds = TIMEOUT_S
	local ticks = (seconds * 200.0 / 3.0 + 0.5).tointeger()
	return ticks > 0 ? ticks : 1
}

local Record = function(src, func, kwargs, callback, urgent, timeout)
{
	local record = {
		src = src
		func = func
		kwargs = null
		problem = null
		callback = IsFunction(callback) ? callback : null
		urgent = urgent ? true : false
		ticks = Ticks(timeout)
	}
	try { record.kwargs = JsonCopy(kwargs, "kwargs") }
	catch (problem) { record.problem = ErrorText(problem) }
	return record
}

local MayCall = function(src, func)
{
	return type(func) == "string" && func.len() > 0 && func.len() <= FUNC_BYTES_MAX
		&& type(src) == "string" && Allows(src, func)
}

// Objects that nobody holds any more are forgotten.
local Sweep = function()
{
	local gone = []
	foreach (token, record in records)
		if (record.object == null)
			gone.append(token)
	foreach (token in gone)
		delete records[token]
	sweepAt = records.len() * 2 > SWEEP_AT ? records.len() * 2 : SWEEP_AT
}

local Make = function(src, func, kwargs, callback, urgent, timeout)
{
	local record = Record(src, func, kwargs, callback, urgent, timeout)
	local object = Instance.call(CallObject)
	lastId++
	object.token = "vpi" + lastId
	object.func = func
	object.kwargs = kwargs
	object.callback = record.callback
	object.urgent = urgent
	object.timeout = record.ticks * 3 / 200.0
	if (type(timeout) == "float" || type(timeout) == "integer")
		object.timeout = timeout
	record.object <- Weak.call(object)
	records[object.token] <- record
	if (records.len() > sweepAt)
		Sweep()
	return object
}

// The record for what a script wants sent: an object of Call, or a table. Null where that is
// refused. An object's record stays until `Use`.
local Find = function(src, arg)
{
	local kind = type(arg)
	if (kind == "table")
	{
		local func = Field(arg, "func", null)
		local wrong = arg.len() == 0 || !Allows(src, null) ? null : WrongKey(arg)
		if (wrong != null)
			Complain("A call" + (type(func) == "string" ? " of '" + func + "'" : ""), src, wrong)
		if (!MayCall(src, func))
			return null
		local record = Record(src, func, Field(arg, "kwargs", null), Field(arg, "callback", null),
			Field(arg, "urgent", false), Field(arg, "timeout", TIMEOUT_S))
		if (wrong != null)
			record.problem = wrong
		return record
	}
	if (kind != "instance" || !(arg instanceof CallObject))
		return null
	local token = arg.token
	if (type(token) != "string" || !(token in records))
		return null
	local record = records[token]
	if (record.object != arg || record.src != src || !MayCall(src, record.func))
		return null
	record.token <- token
	return record
}

// Script files whose texts are texts to the database, as they are to everybody else.
local plain = {}

local Use = function(record)
{
	if ("token" in record)
		delete records[record.token]
}

local Deadline = function(tick, call)
{
	if (tick in deadlines)
		deadlines[tick].append(call)
	else
		deadlines[tick] <- [call]
}

vpi.Answer <- function(call, response, error)
{
	call.open = false
	if (call.id in waiting)
		delete waiting[call.id]
	if (error)
		Log(call.callback == null ? vpi.WARNING : vpi.DEBUG, call.func + " for " + call.src + ": " + ErrorText(response))
	if (call.callback != null)
		mail.items.append({
			kind = "callback", func = call.callback, a = response, b = error
			about = " (it is the callback of a call of " + call.func + " in line " + call.line + ")"
		})
}
local Answer = vpi.Answer

vpi.FailCall <- function(call, reason)
{
	Answer(call, "[VPI ERROR] (" + call.func + ") :: " + reason, true)
}
local FailCall = vpi.FailCall

// Queues records as one call, or as a chain. Gives true or null, as AsyncCall does.
local Send = function(records, callback, urgent, line)
{
	local bodies = [], call = null, ticks = 0
	foreach (at, record in records)
	{
		local last = at == records.len() - 1
		ticks += record.ticks
		call = { id = ++lastId, func = record.func, src = record.src, callback = callback, line = line, ticks = ticks, until = 0, open = true, entry = null }
		if (record.problem != null)
		{
			if (callback == null)
				Log(vpi.WARNING, record.func + " for " + record.src + " is not sent: " + record.problem)
			else
				FailCall(call, record.problem)
			return callback == null ? null : true
		}
		local body = {
			call = call.id
			func = record.func
			kwargs = record.kwargs
			script = record.src
			wait = last && callback != null
			timeout_ms = record.ticks * 15
		}
		// To scripts of the stock client, a text among the values is SQL.
		if (record.func.find("VPI_DB_User") == 0 && !(record.src in plain))
			body.texts <- "sql"
		bodies.append(body)
	}
	if (waiting.len() < WAITING_MAX)
		call.entry = QueueCall(bodies.len() == 1 ? bodies[0] : { chain = bodies }, [call], urgent)
	if (call.entry == null)
	{
		FailCall(call, "QueueFull")
		return callback == null ? null : true
	}
	// What somebody waits for, and has not been written by then, never is.
	if (callback != null)
		Deadline(queues.tick + ticks + vpi.settings.gatherTicks, call)
	return true
}

// A call was written in this tick.
vpi.Written <- function(call)
{
	if (call.callback == null)
		return
	waiting[call.id] <- call
	call.until = queues.tick + call.ticks
	Deadline(call.until, call)
}

vpi.Expire <- function(tick)
{
	if (!(tick in deadlines))
		return
	local calls = deadlines[tick]
	delete deadlines[tick]
	foreach (call in calls)
	{
		if (!call.open)
			continue
		if (call.entry.state == QUEUED)
			Drop(call.entry)
		else if (!(call.id in waiting) || call.until > tick)
			continue
		Answer(call, "[VPI ERROR] TIMEOUT", true)
	}
}

// No answer will come for what was written.
vpi.LoseSession <- function()
{
	local lost = []
	foreach (call in waiting)
		lost.append(call)
	foreach (call in lost)
		FailCall(call, "SessionLost")
}

local Source = function(info) { return info == null ? "?" : info.src }

local Refuse = function(what, info, func)
{
	local name = type(func) == "string" ? " of '" + func + "'" : ""
	Log(vpi.DEBUG, what + name + " from script '" + Source(info) + "' was refused")
	return null
}

// The functions for scripts. None of them calls back into a script while it runs, and none throws.
vpi.api <- {}
local api = vpi.api

api.Call <- function(func, kwargs = null, callback = null, urgent = false, timeout = 3.0)
{
	try
	{
		local info = getstackinfos(2)
		if (!IsCaller("VPI.Call", info, callback) || !MayCall(info.src, func))
			return Refuse("VPI.Call", info, func)
		return Make(info.src, func, kwargs, callback, urgent, timeout)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Call: " + ErrorText(problem)) }
}

api.AsyncCall <- function(table_or_call)
{
	try
	{
		local info = getstackinfos(2)
		local callback = type(table_or_call) == "table" ? Field(table_or_call, "callback", null) : null
		local record = IsCaller("VPI.AsyncCall", info, callback) ? Find(info.src, table_or_call) : null
		if (record == null)
			return Refuse("VPI.AsyncCall", info, null)
		Use(record)
		return Send([record], record.callback, record.urgent, info.line)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.AsyncCall: " + ErrorText(problem)) }
}

api.PlainTexts <- function()
{
	try
	{
		local info = getstackinfos(2)
		if (info == null || !Allows(info.src, null))
			return Refuse("VPI.PlainTexts", info, null)
		plain[info.src] <- true
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.PlainTexts: " + ErrorText(problem)) }
}

api.ChainCall <- function(calls, callback = null, urgent = false)
{
	try
	{
		local info = getstackinfos(2), found = []
		if (!IsCaller("VPI.ChainCall", info, callback) || type(calls) != "array" || calls.len() == 0 || calls.len() > CHAIN_MAX)
			return Refuse("VPI.ChainCall", info, null)
		for (local i = 0; i < calls.len(); i++)
		{
			local record = Find(info.src, calls[i])
			// Nothing is sent twice, in one chain neither.
			if (record == null || found.find(record) != null)
				return Refuse("VPI.ChainCall", info, null)
			found.append(record)
		}
		foreach (record in found)
			Use(record)
		return Send(found, IsFunction(callback) ? callback : null, urgent ? true : false, info.line)
	}
	catch (problem) { Log(vpi.ERROR, "VPI.ChainCall: " + ErrorText(problem)) }
}
}
vpi.part()

// ======== functions.nut

vpi.part <- function()
{
// What vpid can call here, what it can say to scripts, and what scripts can say to it unasked.

local vpi = this
local getstackinfos = ::getstackinfos, type = ::type
local JsonCopy = vpi.JsonCopy, Allows = vpi.Allows, Log = vpi.Log, ErrorText = vpi.ErrorText
local IsFunction = vpi.IsFunction, QueueEvent = vpi.QueueEvent, QueueOther = vpi.QueueOther
local queues = vpi.queues, mail = vpi.mail, api = vpi.api

local NAME_BYTES_MAX = 128, NAMES_MAX = 256, LISTENERS_MAX = 32
local BODY_BYTES_MAX = 60000

// Functions by name, with the script file they belong to.
local registered = {}
vpi.registered <- registered
// Lists of [script file, function] by name of the message.
local listeners = {}

// How the session stands, as scripts are shown it.
local shown = { connected = false, host = null, vpid = null }
vpi.shown <- shown

local IsName = function(value)
{
	return type(value) == "string" && value.len() > 0 && value.len() <= NAME_BYTES_MAX
}

// The file of whoever called the function that got these infos; null when it may not use VPI.
local Caller = function(info)
{
	return info != null && Allows(info.src, null) ? info.src : null
}

local Refuse = function(what, src, why)
{
	Log(vpi.DEBUG, what + (src == null ? "" : " from script '" + src + "'") + " was refused: " + why)
	return null
}

api.Register <- function(name, func)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || !IsName(name) || !IsFunction(func))
			return Refuse("VPI.Register", src, "a name and a function are wanted, and a script file that may")
		local known = name in registered
		if (known && registered[name].src != src)
			return Refuse("VPI.Register", src, name + " belongs to " + registered[name].src)
		if (!known && registered.len() >= NAMES_MAX)
			return Refuse("VPI.Register", src, "there are " + NAMES_MAX + " already")
		registered[name] <- { src = src, func = func }
		// A session that begins later says it by itself.
		if (!known && shown.connected)
			QueueOther({ register = name, script = src }, true)
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Register: " + ErrorText(problem)) }
}

api.Unregister <- function(name)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || type(name) != "string" || !(name in registered) || registered[name].src != src)
			return Refuse("VPI.Unregister", src, "that is no function of this script")
		delete registered[name]
		if (shown.connected)
			QueueOther({ unregister = name }, true)
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Unregister: " + ErrorText(problem)) }
}

api.On <- function(name, func)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || !IsName(name) || !IsFunction(func))
			return Refuse("VPI.On", src, "a name and a function are wanted, and a script file that may")
		if (!(name in listeners))
		{
			if (listeners.len() >= NAMES_MAX)
				return Refuse("VPI.On", src, "there are " + NAMES_MAX + " names already")
			listeners[name] <- []
		}
		local list = listeners[name]
		foreach (listener in list)
			if (listener[1] == func)
				return true
		if (list.len() >= LISTENERS_MAX)
			return Refuse("VPI.On", src, name + " has " + LISTENERS_MAX + " already")
		list.append([src, func])
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.On: " + ErrorText(problem)) }
}

api.Off <- function(name, func)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || type(name) != "string" || !(name in listeners))
			return Refuse("VPI.Off", src, "nothing listens to that")
		local list = listeners[name]
		foreach (at, listener in list)
		{
			if (listener[1] != func || listener[0] != src)
				continue
			list.remove(at)
			if (list.len() == 0)
				delete listeners[name]
			return true
		}
		return Refuse("VPI.Off", src, "that function of this script does not listen")
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Off: " + ErrorText(problem)) }
}

api.Emit <- function(event, data = null)
{
	try
	{
		local src = Caller(getstackinfos(2))
		if (src == null || !IsName(event))
			return Refuse("VPI.Emit", src, "a name is wanted, and a script file that may")
		local copy = null
		try { copy = JsonCopy(data, "data") }
		catch (problem)
		{
			Log(vpi.WARNING, "VPI.Emit of '" + event + "' by " + src + " is not sent: " + ErrorText(problem))
			return null
		}
		QueueEvent({ emit = event, data = copy, script = src })
		return true
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Emit: " + ErrorText(problem)) }
}

api.Status <- function()
{
	try
	{
		return {
			connected = shown.connected
			host = shown.host
			version = vpi.VERSION
			vpid = shown.vpid
			queued = queues.calls
			waiting = vpi.waiting.len()
			events = queues.events
			lost_events = queues.lost
		}
	}
	catch (problem) { Log(vpi.ERROR, "VPI.Status: " + ErrorText(problem)) }
}

// ---- For the other parts

// vpid calls a function by its name.
vpi.CallRegistered <- function(id, name, args)
{
	if (type(name) == "string" && name in registered)
	{
		// Who runs can see the item, so it does not say more than that one needs to know.
		local item = { kind = "call", func = registered[name].func, a = args, done = false, value = null, error = null }
		mail.items.append(item)
		mail.running.append({ item = item, id = id, name = name, session = queues.session })
	}
	else
		QueueOther({ result = id, error = "[VPI ERROR] (" + name + ") :: NotRegistered" }, true)
}

// Posts the results of functions that have run.
vpi.Collect <- function()
{
	local running = mail.running
	mail.running = []
	foreach (call in running)
	{
		local item = call.item
		if (!item.done)
		{
			mail.running.append(call)
			continue
		}
		if (call.session != queues.session)
			continue
		local error = item.error, value = null
		if (error == null)
		{
			try { value = JsonCopy(item.value, "result") }
			catch (problem) { error = ErrorText(problem) }
		}
		if (error == null)
			QueueOther({ result = call.id, value = value }, true)
		else
			QueueOther({ result = call.id, error = "[VPI ERROR] (" + call.name + ") :: " + ErrorText(error) }, true)
	}
}

vpi.Tell <- function(name, data)
{
	if (type(name) != "string" || !(name in listeners))
		return
	foreach (listener in listeners[name])
		mail.items.append({ kind = "callback", func = listener[1], a = data })
}
}
vpi.part()

// ======== window.nut

vpi.part <- function()
{
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
	// The number of a file that has to be asked for again, 0 for none; and the file that asked last.
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
}
vpi.part()

// ======== writer.nut

vpi.part <- function()
{
// Writes the game's files: takes queued entries, encodes them, signs what fits into one file, and
// writes it, a slice of each in a tick.

local vpi = this
local HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep, HmacHex = vpi.HmacHex
local JsonEncoder = vpi.JsonEncoder, JsonEncode = vpi.JsonEncode
local queues = vpi.queues, Take = vpi.Take, Log = vpi.Log, ErrorText = vpi.ErrorText
local FailCall = vpi.FailCall, Written = vpi.Written, LogWarning = vpi.WARNING
local EVENT = vpi.EVENT, CALL = vpi.CALL, link = vpi.link, budget = vpi.budget
local FileName = vpi.FileName, WriteFile = vpi.WriteFile, Repair = vpi.Repair

local BODY_BYTES = 4096, MESSAGE_BYTES_MAX = 60000
// Files without an acknowledgement. Those that only acknowledge, or ask for a file again, may go
// beyond: otherwise both sides could wait for each other.
local WINDOW = 8, CONTROL_WINDOW = 16
local OVERTAKEN_MAX = 4

// The file in the making, and one that an urgent one has overtaken.
local job = null, parked = null

local NewJob = function(queue)
{
	return {
		queue = queue
		urgent = queue == queues.urgent
		entries = []
		texts = []
		bytes = 2
		entry = null
		encoder = null
		full = false
		overtaken = 0
		mac = null
		body = null
		text = null
		name = null
		tells = 0
		asks = 0
		empty = false
	}
}

local Reject = function(entry, reason)
{
	if (entry.kind == CALL)
		foreach (call in entry.calls)
			FailCall(call, reason)
	else
		Log(LogWarning, "Something is not sent to vpid: " + reason)
}

// Takes an encoded entry into the file, or carries it over to the next.
local Add = function(job, entry, text)
{
	if (text.len() > MESSAGE_BYTES_MAX)
		return Reject(entry, "TooLarge")
	if (job.texts.len() > 0 && job.bytes + text.len() + 1 > BODY_BYTES)
	{
		job.queue.carried = [entry, text]
		job.full = true
		return
	}
	job.entries.append(entry)
	job.texts.append(text)
	job.bytes += text.len() + 1
	job.full = job.bytes >= BODY_BYTES
}

// Encodes entries until the file is full, nothing is left, or the tick's share is used up. Gives
// whether the file can be signed.
local Fill = function(job)
{
	while (!job.full)
	{
		if (job.encoder == null)
		{
			local back = job.queue.carried
			if (back != null)
			{
				job.queue.carried = null
				Add(job, back[0], back[1])
				continue
			}
			job.entry = Take(job.queue)
			if (job.entry == null)
				return true
			if (job.entry.kind == EVENT && queues.lost > 0)
			{
				job.entries.append({ kind = EVENT })
				job.texts.append("{\"dropped\":" + queues.lost + "}")
				job.bytes += 30
				queues.lost = 0
			}
			job.encoder = JsonEncoder(job.entry.body)
			job.entry.body = null
		}
		if (budget.us <= 0)
			return false
		try { budget.us -= JsonEncode(job.encoder, budget.us) }
		catch (problem)
		{
			job.encoder = null
			Reject(job.entry, ErrorText(problem))
			continue
		}
		if (!job.encoder.done)
			return false
		local text = job.encoder.text
		job.encoder = null
		Add(job, job.entry, text)
	}
	return true
}

local Join = function(texts)
{
	local body = "["
	foreach (at, text in texts)
		body += at == 0 ? text : "," + text
	return body + "]"
}

local Sign = function(job)
{
	job.name = FileName("c" + (link.written + 1))
	job.tells = link.read
	job.asks = link.ask
	local extra = link.opening
	if (link.ask > 0)
		extra = (extra == null ? "" : extra + ",") + "{\"again\":" + link.ask + "}"
	job.text = job.body
	if (extra != null)
		job.text = "[" + extra + (job.body == "[]" ? "" : ",") + job.body.slice(1)
	job.empty = job.text == "[]"
	job.text = "vpid1 " + job.tells + " " + job.text.len() + "\n" + job.text
	job.mac = HmacStart(link.game, job.name + "\n" + job.text)
}

local Write = function(job)
{
	WriteFile(job.name, job.text + "\n" + HmacHex(job.mac), job.empty)
	link.opening = null
	if (job.asks > 0)
		link.asked = "vpid/" + job.name
	if (link.ask == job.asks)
		link.ask = 0
	link.told = job.tells
	if (link.told == link.read)
		link.tellBy = 0
	foreach (entry in job.entries)
		if (entry.kind == CALL)
			foreach (call in entry.calls)
				Written(call)
}

local Waits = function(queue) { return queue.at < queue.items.len() || queue.carried != null }

// Whether there is something to write that may be written now; then it is `job`.
local Begin = function()
{
	local open = link.written - link.acknowledged
	local room = open < WINDOW
	if (job != null)
	{
		local overtake = !job.urgent && parked == null && job.overtaken < OVERTAKEN_MAX && Waits(queues.urgent)
		if (!overtake)
			return true
		job.overtaken++
		// Its number goes to the other file, so it has to be signed again.
		job.mac = null
		parked = job
		job = NewJob(queues.urgent)
		return true
	}
	if (room)
	{
		if (Waits(queues.urgent) || parked == null && (link.opening != null || link.ask > 0))
			job = NewJob(queues.urgent)
		else if (parked != null)
		{
			job = parked
			parked = null
		}
		else if (queues.gathered.carried != null || queues.due > 0 && queues.tick >= queues.due)
			job = NewJob(queues.gathered)
		if (job != null)
			return true
	}
	local control = link.tellBy > 0 && queues.tick >= link.tellBy || link.ask > 0
	if (control && open < CONTROL_WINDOW)
	{
		job = NewJob(queues.urgent)
		job.full = true
		return true
	}
	return false
}

// Whether something urgent waits for this tick.
vpi.IsUrgent <- function()
{
	return job != null && job.urgent || Waits(queues.urgent)
}

vpi.StepWriter <- function()
{
	if (budget.file)
		Repair()
	if (!Begin())
		return
	if (job.mac == null)
	{
		if (job.body == null)
		{
			if (!Fill(job))
				return
			if (job.entries.len() == 0 && !job.full && link.opening == null && link.ask == 0)
			{
				job = null
				return
			}
			job.body = Join(job.texts)
			job.texts = null
		}
		Sign(job)
	}
	budget.blocks -= HmacStep(job.mac, budget.blocks)
	if (job.mac.done && budget.file)
	{
		Write(job)
		job = null
	}
}

// A new session begins; what was not written yet will be in it, under another number.
vpi.ForgetWriting <- function()
{
	foreach (half in [job, parked])
		if (half != null)
			half.mac = null
}

// One message, at once, and what waits stays behind: nothing more is written on this map.
vpi.WriteOnly <- function(text)
{
	if (link.written - link.acknowledged > CONTROL_WINDOW)
		return
	job = parked = null
	local file = NewJob(queues.urgent)
	file.body = "[" + text + "]"
	Sign(file)
	HmacStep(file.mac, 1000000)
	Write(file)
}

// Everything that waits, at once: the map ends. `last` is the text of the last message. As few files as
// possible, each of a size that vpid reads.
vpi.WriteAll <- function(last)
{
	local halves = [job, parked], file = null, lost = 0
	job = parked = null
	local Flush = function(filesMax)
	{
		if (link.written - link.acknowledged >= filesMax)
			return lost += file.entries.len()
		file.body += "]"
		Sign(file)
		HmacStep(file.mac, 1000000)
		Write(file)
	}
	local Put = function(entries, text)
	{
		if (file != null && file.body.len() + text.len() + 1 > MESSAGE_BYTES_MAX)
		{
			Flush(CONTROL_WINDOW)
			file = null
		}
		if (file == null)
		{
			file = NewJob(queues.urgent)
			file.body = "[" + text
		}
		else
			file.body += "," + text
		file.entries.extend(entries)
	}
	local PutJob = function(half)
	{
		budget.us = 1000000
		// What had been begun is finished, and nothing more taken.
		if (half.body == null && half.encoder != null)
		{
			half.full = false
			Fill(half)
		}
		local body = half.body == null ? Join(half.texts) : half.body
		if (body != "[]")
			Put(half.entries, body.slice(1, -1))
		return body != "[]"
	}
	foreach (half in halves)
		if (half != null)
			PutJob(half)
	foreach (queue in [queues.urgent, queues.gathered])
	{
		local more = true
		while (more)
		{
			local next = NewJob(queue)
			budget.us = 1000000
			Fill(next)
			more = PutJob(next) || Waits(queue)
		}
	}
	Put([], last)
	Flush(CONTROL_WINDOW + 1)
	if (lost > 0)
		Log(LogWarning, "The map ends while vpid is silent: " + lost + " messages are lost")
}
}
vpi.part()

// ======== reader.nut

vpi.part <- function()
{
// Reads vpid's files one after the other: the frame, the mac, then the messages, a slice of each in a
// tick. Nothing in a file counts before its mac has been checked.

local vpi = this
local FileToString = ::FileToString, type = ::type
local HmacStart = vpi.HmacStart, HmacStep = vpi.HmacStep, HmacHex = vpi.HmacHex
local JsonDecoder = vpi.JsonDecoder, JsonDecode = vpi.JsonDecode
local queues = vpi.queues, link = vpi.link, budget = vpi.budget, mail = vpi.mail
local waiting = vpi.waiting, Log = vpi.Log, ErrorText = vpi.ErrorText
local FileName = vpi.FileName, Answer = vpi.Answer

local MAIL_MAX = 200, MESSAGES_PER_TICK = 40, GONE_BYTES_MAX = 1000
local MAC_DIGITS = 64
local TELL_TICKS = 20, ASK_AGAIN_TICKS = 67

local job = null
// The next file's name; and its text when it could not be believed, not to check it over and over.
local name = null, number = 0, distrusted = null
local askAgainAt = 0

local IsNumber = function(text)
{
	local length = text.len()
	if (length == 0 || length > 9 || length > 1 && text[0] == '0')
		return false
	foreach (digit in text)
		if (digit < '0' || digit > '9')
			return false
	return true
}

// The parts of a file, or null when it has not the form.
vpi.Frame <- function(text)
{
	local line = text.find("\n")
	if (line == null || line > 40 || text.slice(0, 6) != "vpid1 ")
		return null
	local space = text.find(" ", 6)
	if (space == null || space > line)
		return null
	local ack = text.slice(6, space), length = text.slice(space + 1, line)
	if (!IsNumber(ack) || !IsNumber(length))
		return null
	local end = line + 1 + length.tointeger()
	if (text.len() != end + 1 + MAC_DIGITS || text[end] != '\n')
		return null
	return {
		ack = ack.tointeger()
		head = text.slice(0, line)
		body = text.slice(line + 1, end)
		mac = text.slice(end + 1)
	}
}

vpi.StartCheck <- function(key, name, frame)
{
	return HmacStart(key, name + "\n" + frame.head + "\n" + frame.body)
}

local Distrust = function()
{
	distrusted = job.text
	job = null
	if (queues.tick < askAgainAt)
		return
	askAgainAt = queues.tick + ASK_AGAIN_TICKS
	link.ask = number
	Log(vpi.WARNING, "The file " + name + " cannot be believed; vpid is asked for it again")
}

// Somebody waits for answers, and how long a look at the folder may be put off.
local Pause = function()
{
	if (queues.tick < link.fastUntil && waiting.len() > 0)
		return 1
	return waiting.len() > 0 ? 4 : 8
}

local Poll = function()
{
	if (number != link.read + 1 || name == null)
	{
		number = link.read + 1
		name = FileName("d" + number)
	}
	budget.file = false
	if (distrusted != null && queues.tick >= askAgainAt)
	{
		// Asked for once more, unless nobody has taken the file that asked before.
		askAgainAt = queues.tick + ASK_AGAIN_TICKS
		if (link.asked == null || FileToString(link.asked) == null)
			link.ask = number
		return
	}
	local text = FileToString("vpid/" + name)
	if (text == null || text == distrusted)
	{
		link.lookAt = queues.tick + Pause()
		return
	}
	link.lookAt = queues.tick + 1
	job = { text = text, frame = vpi.Frame(text), mac = null, gone = false, decoder = null, messages = null, at = 0 }
	if (job.frame == null)
		return Distrust()
	job.mac = vpi.StartCheck(link.vpid, name, job.frame)
}

local Check = function()
{
	budget.blocks -= HmacStep(job.mac, budget.blocks)
	if (!job.mac.done)
		return false
	if (HmacHex(job.mac) == job.frame.mac)
	{
		job.mac = null
		return true
	}
	// A vpid that has lost its memory has no keys of the session, and says so with its own.
	if (!job.gone && job.frame.body.len() <= GONE_BYTES_MAX)
	{
		job.gone = true
		job.mac = vpi.StartCheck(vpi.VpidKey(), name, job.frame)
		return false
	}
	Distrust()
	return false
}

// What each message means. Those for scripts go to their mailbox.
local Take = function(message)
{
	if (type(message) != "table")
		return
	if ("answer" in message)
	{
		local id = message.answer
		if (!(id in waiting))
			return
		local call = waiting[id]
		if ("error" in message)
			Answer(call, message.error, true)
		else
			Answer(call, "value" in message ? message.value : null, false)
	}
	else if ("call" in message && "func" in message)
		vpi.CallRegistered(message.call, message.func, "args" in message ? message.args : null)
	else if ("message" in message)
		vpi.Tell(message.message, "data" in message ? message.data : null)
	else if ("hook" in message && type(message.hook) == "string")
		mail.items.append({
			kind = "hook", name = message.hook
			data = "data" in message && type(message.data) == "table" ? message.data : {}
		})
	else if ("print" in message && type(message.print) == "string")
		mail.items.append({
			kind = "print", text = message.print
			to = "to" in message && type(message.to) == "integer" ? message.to : null
			where = "where" in message ? message.where : "chat"
		})
	else if ("command" in message && type(message.command) == "string")
		mail.items.append({ kind = "command", text = message.command })
	else if ("prefixes" in message)
	{
		vpi.TakePrefixes(message.prefixes)
		vpi.TellGuard(true)
	}
	else if ("again" in message)
		vpi.WriteAgain(message.again)
}

// The file has been read to its end.
local Done = function(worth)
{
	link.read = number
	if (worth && link.tellBy == 0)
		link.tellBy = queues.tick + TELL_TICKS
	distrusted = null
	askAgainAt = 0
	job = null
	link.lookAt = queues.tick + 1
}

local Decode = function()
{
	if (job.decoder == null)
		job.decoder = JsonDecoder(job.frame.body)
	try
	{
		budget.us -= JsonDecode(job.decoder, budget.us)
		if (!job.decoder.done)
			return false
		job.messages = job.decoder.value
		if (type(job.messages) != "array")
			throw "it is no list"
	}
	catch (problem)
	{
		Log(vpi.ERROR, "The messages of " + name + " cannot be read: " + ErrorText(problem))
		job.messages = []
	}
	return true
}

local Step = function()
{
	if (job.mac != null)
	{
		if (!Check())
			return
		// It is genuine. Its acknowledgement counts, whatever the rest is.
		if (!job.gone)
			vpi.Acknowledge(job.frame.ack)
		if (job.frame.body == "[]")
			return Done(false)
	}
	if (job.messages == null && (budget.us <= 0 || !Decode()))
		return
	if (job.gone)
	{
		local gone = null, displaced = false
		foreach (message in job.messages)
			if (type(message) == "table" && "gone" in message)
			{
				gone = message.gone
				displaced = "displaced" in message && message.displaced == true
			}
		if (gone == null)
			return Distrust()
		job = null
		return vpi.StartOver(ErrorText(gone), displaced)
	}
	local end = job.at + MESSAGES_PER_TICK
	while (job.at < job.messages.len() && job.at < end)
	{
		local message = job.messages[job.at++]
		if (type(message) == "table" && "gone" in message)
		{
			job = null
			return vpi.StartOver(ErrorText(message.gone), "displaced" in message && message.displaced == true)
		}
		Take(message)
	}
	if (job.at >= job.messages.len())
		Done(true)
}

// Goes on with the file at hand.
vpi.StepReader <- function()
{
	if (job != null)
		Step()
}

// Looks for the next file, where it is time and this tick has not had one.
vpi.PollReader <- function()
{
	if (job != null || queues.tick < link.lookAt || !budget.file || mail.items.len() - mail.at > MAIL_MAX)
		return
	Poll()
	if (job != null)
		Step()
}

vpi.ForgetReading <- function()
{
	job = name = distrusted = null
	link.lookAt = askAgainAt = 0
}
}
vpi.part()

// ======== players.nut

vpi.part <- function()
{
// Who is on this server: found when they enter or when we start, reported once the game knows their
// id, and listed in a heartbeat. Asks functions of the game only.

local vpi = this
local Entities = ::Entities, FindByClassname = ::Entities.FindByClassname
local NetProps = ::NetProps, GetPropString = ::NetProps.GetPropString, GetPropIntArray = ::NetProps.GetPropIntArray
local GetPlayerFromUserID = ::GetPlayerFromUserID, PlayerInstanceFromIndex = ::PlayerInstanceFromIndex
local IsValid = ::CBaseEntity.IsValid, EntityIndex = ::CBaseEntity.entindex, format = ::format, MaxClients = ::MaxClients, GetMapName = ::GetMapName, Time = ::Time, type = ::type
local IsPlayerABot = "IsPlayerABot" in vpi.root ? vpi.root.IsPlayerABot : null
local queues = vpi.queues, settings = vpi.settings, QueueEvent = vpi.QueueEvent, QUEUED = vpi.QUEUED

// How often an id is asked for: at first, for how long, and each how manieth time from then on.
local ASK_TICKS = 16, ASK_FOR_TICKS = 4000, ASK_SELDOM = 40
local PLAYERS_PER_TICK = 3
// More than can be on. Scripts can raise events of players who are not.
local PLAYERS_MAX = 256, USERID_MAX = 2147483647
// The entity that knows who is on, in the games on this engine. The first is that of Team Fortress.
local MANAGERS = ["tf_player_manager", "cs_player_manager", "dod_player_manager", "player_manager"]

// By userid: { userid, name, id, bot, since (tick), told (what was queued about it) }.
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
	// Counted by the game since the map began, or since the scoreboard was cleared.
	local deaths = OfSlot("m_iDeaths", slot)
	if (deaths >= 0)
		entry.deaths <- deaths
	heartbeat.players.append(entry)
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
}
vpi.part()

// ======== events.nut

vpi.part <- function()
{
// What happens in the game, as it is reported to vpid.
//
// The table of handlers can be reached by every script. What is in there only queues plain data, and
// trusts no field: scripts can raise game events too.

local vpi = this
local type = ::type, getstackinfos = ::getstackinfos, rawget = {}.rawget, rawin = {}.rawin, Weak = {}.weakref
local QueueEvent = vpi.QueueEvent, settings = vpi.settings, root = vpi.root
local ErrorText = vpi.ErrorText, Log = vpi.Log

// In ticks. Somebody waits for the answer to a chat command.
local SOON = 3
local TEXT_BYTES_MAX = 512
local DEATH_FEIGNED = 32

local Number = function(params, key)
{
	local value = rawin.call(params, key) ? rawget.call(params, key) : 0
	local kind = type(value)
	if (kind == "bool")
		return value ? 1 : 0
	return kind == "integer" || kind == "float" ? value.tointeger() : 0
}

local Text = function(params, key)
{
	local value = rawin.call(params, key) ? rawget.call(params, key) : ""
	if (type(value) != "string")
		return ""
	return value.len() > TEXT_BYTES_MAX ? value.slice(0, TEXT_BYTES_MAX) : value
}

// What the engine calls for an event, and the file in which that stands.
local RunEvent = rawin.call(root, "__RunGameEventCallbacks") ? rawget.call(root, "__RunGameEventCallbacks") : null
local engineFile = null
try { engineFile = (function() {}).getinfos.call(RunEvent).src }
catch (_) {}

// Whether it is the engine that raises an event: then nothing but its own functions stands on the stack,
// down to the end. Scripts can call a handler as they like, and raise events by FireGameEvent. `level`: of
// whoever called the handler.
local IsOfEngine = function(level)
{
	if (engineFile == null || !rawin.call(root, "__RunGameEventCallbacks")
		|| rawget.call(root, "__RunGameEventCallbacks") != RunEvent)
		return false
	local first = level
	for (;; level++)
	{
		local info = getstackinfos(level)
		if (info == null)
			return level > first
		if (info.src != engineFile || level - first > 4)
			return false
	}
}

local Report = function(event, data, delay = null)
{
	QueueEvent({ event = event, data = data }, delay)
}

local heard = {
	function player_activate(params) { vpi.See(Number(params, "userid")) }
	function player_spawn(params)
	{
		local data = { userid = Number(params, "userid") }
		// Other games than Team Fortress do not have them.
		foreach (key in ["team", "class"])
			if (rawin.call(params, key))
				data[key] <- Number(params, key)
		Report("player_spawn", data)
	}
	function player_death(params)
	{
		if (Number(params, "death_flags") & DEATH_FEIGNED)
			return
		local assister = Number(params, "assister")
		Report("player_death", {
			userid = Number(params, "userid"), attacker = Number(params, "attacker")
			assister = assister > 0 ? assister : 0, weapon = Text(params, "weapon")
		})
	}
	function player_say(params)
	{
		local chat = { userid = Number(params, "userid"), text = Text(params, "text") }
		// Commands of admins are among these. Under this function: the handler, and who called it.
		if (chat.text != "" && !IsOfEngine(4))
			chat.doubtful <- true
		Report("player_chat", chat, SOON)
	}
	function player_team(params)
	{
		// Who leaves changes sides, too.
		if (Number(params, "disconnect") != 0)
			return
		Report("player_team", {
			userid = Number(params, "userid"), team = Number(params, "team"), old = Number(params, "oldteam")
		})
	}
	function player_changeclass(params)
	{
		// What the player has chosen, and plays from the next spawn on.
		Report("player_class", { userid = Number(params, "userid"), ["class"] = Number(params, "class") })
	}
	function player_disconnect(params)
	{
		local userid = Number(params, "userid"), known = vpi.Leave(userid)
		local name = Text(params, "name"), id = Text(params, "networkid")
		if (name == "" && known != null)
			name = known.name
		// The engine's own number goes before a text that scripts can write, or that says `STEAM_ID_PENDING`.
		if (known != null && known.id != "")
			id = known.id
		else if (!vpi.IsFinalId(id))
			id = ""
		Report("player_disconnect", {
			userid = userid, name = name, id = id
			bot = Number(params, "bot") != 0 || id == "BOT", reason = Text(params, "reason")
		}, SOON)
	}
	function teamplay_round_start(params) { Report("round_start", { full = Number(params, "full_reset") != 0 }) }
	function teamplay_round_win(params) { Report("round_win", { team = Number(params, "team") }) }
	function server_cvar(params) { vpi.ConfigRuns() }
}

// What the game calls. Each holds its own function of the above and nothing else.
local Handler = function(name, Hear)
{
	return function(params)
	{
		try
		{
			if (type(params) == "table" && settings.ready)
				Hear(params)
		}
		catch (problem) { Log(4, "The event " + name + " is not reported: " + ErrorText(problem)) }
	}
}
local handlers = {}
foreach (name, hear in heard)
	handlers["OnGameEvent_" + name] <- Handler(name, hear)

// The game calls the tables of a list from the last to the first, and where one throws, none that stands before
// it. So ours is put at the end of each list. Scripts of maps clear the lists, or start new ones: gives whether
// ours stands in all of them.
local Listens = function()
{
	if (!rawin.call(root, "GameEventCallbacks"))
		return false
	local lists = rawget.call(root, "GameEventCallbacks"), everywhere = true
	if (type(lists) != "table")
		return false
	foreach (name, _ in heard)
	{
		local list = rawin.call(lists, name) ? rawget.call(lists, name) : null
		local at = type(list) == "array" ? list.find(handlers) : null
		if (at == null)
			everywhere = false
		else if (at < list.len() - 1)
		{
			list.remove(at)
			list.append(Weak.call(handlers))
		}
	}
	return everywhere
}

// The function of the game that takes the table can be anybody's by now; so this one knows no more
// than the table.
vpi.Listen <- function()
{
	if (Listens() || !rawin.call(root, "__CollectGameEventCallbacks"))
		return
	local collect = rawget.call(root, "__CollectGameEventCallbacks")
	try { collect.pcall(root, handlers) }
	catch (_) {}
}
}
vpi.part()

// ======== session.nut

vpi.part <- function()
{
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
// How chat stands, as it was told last.
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

// 128 bits that nobody has seen before, and nobody can guess: the key makes them so even where
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

// vpid is told how chat stands, where it does not know yet, or asks.
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

// Somebody meddles: no word any more, in either direction.
vpi.StopSession <- function()
{
	step = null
	shown.connected = false
}
}
vpi.part()

// ======== delivery.nut

vpi.part <- function()
{
// Hands over to scripts what came for them: callbacks, calls of registered functions, messages,
// hooks, texts for players. The only place, besides the start, from which code of others is run.
//
// Who runs can look at the functions that wait for it. So there are only two of ours below it:
// `Think`, which knows a function that hands over the next item, and `Deliver`, which knows that one
// item. `Next`, which knows all of them, has been left by then: a call in a `return` takes the place
// of the function that makes it.

local vpi = this
local type = ::type, ClientPrint = ::ClientPrint, GetPlayerFromUserID = ::GetPlayerFromUserID
local SendToServerConsole = ::SendToServerConsole, FireScriptHook = ::FireScriptHook
local root = vpi.root, mail = vpi.mail, Log = vpi.Log, ErrorText = vpi.ErrorText
local Infos = (function() {}).getinfos, ForClientPrint = vpi.ForClientPrint

local ITEMS_PER_TICK = 10, COMPACT_AT = 256
local PLACES = { chat = 3, center = 4, console = 2 }

local Name = function(func)
{
	local about = Infos.call(func)
	local name = type(about.name) == "string" ? about.name : "a function"
	return "src" in about ? name + " of " + about.src : name
}

local Print = function(item)
{
	local player = null
	if (item.to != null)
	{
		player = GetPlayerFromUserID(item.to)
		if (player == null)
			return
	}
	ClientPrint(player, item.where in PLACES ? PLACES[item.where] : 3, ForClientPrint(item.text))
}

local Deliver = function(item)
{
	try
	{
		local kind = item.kind
		if (kind == "callback")
		{
			if ("b" in item)
				item.func.pcall(root, item.a, item.b)
			else
				item.func.pcall(root, item.a)
		}
		else if (kind == "call")
			item.value = item.func.pcall(root, item.a)
		else if (kind == "hook")
			FireScriptHook(item.name, item.data)
		else if (kind == "print")
			Print(item)
		else if (kind == "command")
			SendToServerConsole(item.text)
	}
	catch (problem)
	{
		local text = ErrorText(problem)
		if ("func" in item)
			Log(4, Name(item.func) + " ended with an error: " + text + ("about" in item ? item.about : ""))
		else
			Log(4, "A " + item.kind + " of vpid failed: " + text)
		if (item.kind == "call")
			item.error = text
	}
	if ("done" in item)
		item.done = true
	return true
}

// Gives whether there was something.
local Next = function()
{
	if (mail.at >= mail.items.len())
	{
		if (mail.at > 0)
		{
			mail.items = []
			mail.at = 0
		}
		return false
	}
	if (mail.at >= COMPACT_AT)
	{
		mail.items = mail.items.slice(mail.at)
		mail.at = 0
	}
	local item = mail.items[mail.at]
	mail.items[mail.at++] = null
	return Deliver(item)
}

vpi.DeliverSome <- function()
{
	for (local i = 0; i < ITEMS_PER_TICK; i++)
		if (!Next())
			break
}
}
vpi.part()

// ======== pump.nut

vpi.part <- function()
{
// Puts the parts to work, tick by tick. Two entities think: the pump, which does what must not be
// seen and calls nobody, and after it the one that hands over to scripts.

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
	// vpid is told, as the last word: what players seem to say does not count any more.
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
// table in between is told.
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
}
vpi.part()
	return vpi.Begin
}

// The last step calls what others may have written, and so sees nothing of the above.
local Begin = null
try { Begin = Load(OwnerKey) }
catch (problem) { ::print("[VPI] -- ERROR -- vpi.nut does not start: " + problem + "\n") }
Load = OwnerKey = null
if (Begin != null)
	Begin()
