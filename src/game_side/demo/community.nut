// Records the hooks and ids that a game script gets of VyHub, for the demo to check.

::Community <- {
	hooks = {}
	known = {}

	function OnScriptHook_vyhub_ready(data) { hooks["vyhub_ready"] <- data }

	function OnScriptHook_vyhub_ply_initialized(data)
	{
		hooks["vyhub_ply_initialized"] <- data
		known[data.id] <- data.user_id
	}
}
__CollectGameEventCallbacks(::Community)
