"""Several families on one sample: which are tried, their order, their weights."""
