"""Results against labels: thresholds and scores."""
