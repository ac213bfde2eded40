"""ArcGIS's arguments, definition, blocks and legend."""
