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

// Something the owner must know: on the console now, and in the chat once a player is there.
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
