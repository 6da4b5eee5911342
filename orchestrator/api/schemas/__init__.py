"""The JSON of the HTTP contract. Fields may be added, never removed or renamed."""
