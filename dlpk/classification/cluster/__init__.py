"""One run on many workers, through Dask distributed."""
