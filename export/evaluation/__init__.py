"""Scores of the networks in the pipeline, on photos and on drawn pictures."""
