"""Training of the miniature CLIPSeg that the demo and the tests use."""
