"""Who is calling: bearer tokens, the keys that sign them, and one-use tickets for streams."""
