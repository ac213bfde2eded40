"""Classify Pixels: one function over one raster into one file."""
