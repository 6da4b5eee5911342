"""From the bytes of a photo to the finished picture: image work only; `report` is its one way to the outside."""
