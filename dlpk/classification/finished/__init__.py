"""Finished blocks on disk, so that a run can go on, and a cluster hand over its work."""
