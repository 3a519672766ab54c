"""One behaviour, whichever way Rasa calls: HTTP, gRPC, gRPC streaming, and direct execution."""
