"""CLIPSeg's weights, vocabulary and golden chips into a package."""
