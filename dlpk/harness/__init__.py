"""ArcGIS's part: loads a raster function, calls its methods, checks every answer."""
