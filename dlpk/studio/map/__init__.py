"""Tiles of a raster on its own pixels, and what is drawn around them."""
