"""Counts, and the measures of agreement that follow from them."""
