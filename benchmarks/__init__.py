"""Measures what the design promises, on a live stack of this machine: `make bench`."""
