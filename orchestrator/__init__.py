"""Irisvue: a photo of an eye goes in, a finished iris picture comes out."""

__version__ = "0.1.0"
