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
// Errors show the locals of a function to their handlers, so nothing here throws.

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
