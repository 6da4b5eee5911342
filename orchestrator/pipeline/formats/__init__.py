"""What each format's bytes say without decoding: one module a format, and only the standard library.

Each has the same three functions: `frame` (size and which way up), `colour` (what the numbers mean) and `bare`: the
file with nothing left but what its decoder needs. Whatever else a file carries, broken or huge, no decoder sees it.
"""
