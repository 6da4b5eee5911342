"""The real PostgreSQL, Redis and Triton from Python wheels, supervised, for one machine."""
