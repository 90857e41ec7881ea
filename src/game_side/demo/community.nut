// What a script hears of VyHub: it remembers the hooks, for the demo to look at.

::Community <- {
	heard = {}
	known = {}

	function OnScriptHook_vyhub_ready(data) { heard["vyhub_ready"] <- data }

	function OnScriptHook_vyhub_ply_initialized(data)
	{
		heard["vyhub_ply_initialized"] <- data
		known[data.id] <- data.user_id
	}
}
__CollectGameEventCallbacks(::Community)
