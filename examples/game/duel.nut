// A small game mode, to try `vpid play` with: a player who says !duel duels the next one who says it; the first with
// three kills wins.

::Duel <- {
    waiting = null
    players = []
    points = {}
}

const DUEL_POINTS = 3

function Duel::Say(text)
{
    ClientPrint(null, 3, "\x07FFD700[Duel]\x01 " + text)
}

function Duel::Begin(first, second)
{
    players = [first, second]
    points = { [first] = 0, [second] = 0 }
    waiting = null
    Say(Name(first) + " against " + Name(second))
}

function Duel::Name(userid)
{
    local player = GetPlayerFromUserID(userid)
    return player == null ? "someone" : NetProps.GetPropString(player, "m_szNetname")
}

function Duel::End(text)
{
    players = []
    points = {}
    Say(text)
}

::DuelEvents <- {
    function OnGameEvent_player_say(event)
    {
        if (event.text != "!duel" || Duel.players.find(event.userid) != null)
            return
        if (Duel.players.len() > 0)
            return Duel.Say("wait until this duel is over")
        if (Duel.waiting == null || Duel.waiting == event.userid)
        {
            Duel.waiting = event.userid
            return Duel.Say(Duel.Name(event.userid) + " wants a duel: say !duel")
        }
        Duel.Begin(Duel.waiting, event.userid)
    }

    function OnGameEvent_player_death(event)
    {
        if (!(event.attacker in Duel.points) || !(event.userid in Duel.points) || event.attacker == event.userid)
            return
        Duel.points[event.attacker] += 1
        if (Duel.points[event.attacker] == DUEL_POINTS)
            Duel.End(Duel.Name(event.attacker) + " wins")
    }

    function OnGameEvent_player_disconnect(event)
    {
        if (Duel.waiting == event.userid)
            Duel.waiting = null
        if (Duel.players.find(event.userid) != null)
            Duel.End("the duel is over: a player has left")
    }
}
__CollectGameEventCallbacks(DuelEvents)
printl("duels are ready")
