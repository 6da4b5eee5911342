"""Draws eyes, trains the networks on them and exports them for the model repository. Nothing imports this."""

import orchestrator  # noqa: F401  its settings for third-party libraries hold here too
