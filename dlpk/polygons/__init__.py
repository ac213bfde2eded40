"""Classes of a raster as polygons: traced in tiles, joined at the seams, smoothed, written."""
