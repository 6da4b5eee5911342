"""Draws eyes, textures and pictures without an eye. `eyes.draw` begins a picture; the other modules draw its parts."""
