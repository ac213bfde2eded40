"""Rasters out: GeoTIFF, COG, legend, attribute table, picture."""
