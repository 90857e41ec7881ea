// A stand-in until the client is merged.
