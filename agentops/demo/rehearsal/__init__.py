"""The rehearsal model: a server that speaks the wire format of OpenAI, and no language model."""
