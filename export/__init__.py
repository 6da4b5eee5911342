"""Draws eyes, trains the networks on them and exports them for the model repository. The service never imports this."""

import orchestrator  # noqa: F401  its settings for third-party libraries apply to this package too
