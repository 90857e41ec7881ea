// The game runs this file first on every map, before there is anything in it. That is what makes
// it safe to let vpid in here: no script of the map has run yet.
//
// Have you got a mapspawn.nut of your own? Then keep yours, and put the line below at its very
// top. What runs before that line could read along.

IncludeScript("vpi")
