"""Weights judged by reading, never by loading."""
