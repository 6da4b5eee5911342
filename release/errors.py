"""What stops a release."""


class ReleaseError(Exception):
    """The release can't be made; the message says what to do. Nothing has been committed."""
