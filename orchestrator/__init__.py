"""Irisvue: a photo of an eye goes in, a finished iris picture comes out."""

import os

__version__ = "0.1.0"

# ONNX Runtime reports usage to its maker and keeps a session file in the temporary folder unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
