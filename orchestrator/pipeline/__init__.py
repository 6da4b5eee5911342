"""From the bytes of a photo to the finished picture: pure image work and a `report` callable."""
