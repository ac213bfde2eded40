"""Folders of packages made from a model of one's own."""
