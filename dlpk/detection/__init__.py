"""Detect Objects: one function over one raster into one file of features."""
