"""Measures what the design promises, on a live stack on this machine: `make bench`."""
