"""What one takes away from the page: results of the whole raster, and a package."""
