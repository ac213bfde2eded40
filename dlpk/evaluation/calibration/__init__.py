"""Thresholds and strengths from labels, tried on blocks that had no say in them."""
