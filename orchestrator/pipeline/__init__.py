"""From the bytes of a photo to the finished picture: image work only, without storage, database or settings."""
