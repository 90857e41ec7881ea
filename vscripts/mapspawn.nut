// A stand-in until the client is merged.
IncludeScript("vpi.nut")
