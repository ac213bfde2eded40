"""The raster function that ArcGIS loads from the package, and the modules it brings.

Part of dlpk.
"""
