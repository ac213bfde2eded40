"""Tiles to probabilities to classes."""
