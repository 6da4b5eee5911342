"""Draws eyes, trains the networks on them and exports them for the model repository. Nothing imports this."""
