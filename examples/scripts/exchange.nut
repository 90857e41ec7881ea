// The game's side of exchange.py. Put it into tf/scripts/vscripts, and below the line of vpi.nut in
// your mapspawn.nut: IncludeScript("exchange")

// Python calls this one. A list comes as an array, and a table goes back as a dictionary.
VPI.Register("describe_names", function(names) {
	local lengths = {}
	foreach (name in names)
		lengths[name] <- name.len()
	return { count = names.len(), lengths = lengths }
})

// What Python says unasked.
VPI.On("exchange_result", function(data) {
	printl("round of " + data.winner + ": " + data.total + " points in all")
})

local Ask = function(func, kwargs, show) {
	VPI.AsyncCall({
		func = "exchange." + func, kwargs = kwargs, urgent = true,
		callback = function(response, error) {
			printl(error ? "failed: " + response : show(response))
		}
	})
}

Ask("get_settings", null, @(settings) "mode " + settings.mode + ", " + settings.classes.len() + " classes")
Ask("update_settings", { rounds = 7, points = { win = 5, draw = 2 } },
	@(answer) answer.changed + " changed, " + answer.settings.rounds + " rounds, a draw is " + answer.settings.points.draw)
Ask("update_settings", { round = 7 }, @(answer) "this is not reached")
Ask("rank", { players = [{ name = "Ann", wins = 1 }, { name = "Bob", wins = 4 }], points_per_win = 5 },
	@(rows) "first is " + rows[0][0] + " with " + rows[0][1])
Ask("ask_game", { names = ["Ann", "Robert"] },
	@(answer) "Python asked back: " + answer.answer.lengths.Robert + " letters in Robert")

VPI.Emit("exchange_round", { winner = "Bob", score = [20, 17] })
