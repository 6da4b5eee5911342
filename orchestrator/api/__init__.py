"""The HTTP API with its progress streams: thin; the use cases are in the packages below."""
