"""What can be wrong with published weights."""


class WrongWeights(Exception):
    """A file that is not the published one; the message says what was expected, what is wrong and what to do."""


class NotFetched(WrongWeights):
    """The published file could not be had; the message says why and what to do."""
