"""HTTP, SSE and WebSocket: thin; the use cases are in jobs.py."""
