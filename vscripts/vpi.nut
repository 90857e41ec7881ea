// A stand-in until the client is merged.
local VERSION = "0.1.0"
local function OwnerKey() { return "PUT-THE-KEY-OF-vpid.toml-HERE" }
