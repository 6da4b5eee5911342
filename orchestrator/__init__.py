"""Irisvue: a photo of an eye goes in, a finished iris picture comes out."""

import os

__version__ = "0.2.0"

# Otherwise ONNX Runtime reports its use to its maker, and keeps a session file in the temporary folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
