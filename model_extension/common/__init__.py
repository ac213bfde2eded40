"""What any raster function needs; no model in it."""
