"""What running a package shows: golden chips, purity, seams, NoData, memory."""
