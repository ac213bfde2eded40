"""Measurements of speed, memory and accuracy that anyone can repeat."""
