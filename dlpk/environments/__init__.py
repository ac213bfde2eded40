"""Environments with the Python and the libraries of a release of ArcGIS Pro, and runs in them."""
