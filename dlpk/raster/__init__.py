"""Rasters in: windows, masks, mosaics, stretch."""
