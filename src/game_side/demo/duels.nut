// A small game mode of the demo: it keeps kills in the table that the demo has made for it, and the
// responses that it got.

::duels <- { answers = {} }

// One call, and how many ticks its answer took.
::Ask <- function(key, func, kwargs)
{
	local asked = GetFrameCount()
	VPI.AsyncCall({
		func = func, kwargs = kwargs, urgent = true, timeout = 8.0,
		callback = function(response, error) {
			::duels.answers[key] <- { response = response, error = error, ticks = GetFrameCount() - asked }
		}
	})
}

::Insert <- function(n)
{
	Ask("i" + n, "VPI_DB_UserInsert", { table = "user_duels_kills", values = [n] })
}

VPI.Register("duels.top", function(data) {
	return { asked_for = data.count, map = GetMapName() }
})
