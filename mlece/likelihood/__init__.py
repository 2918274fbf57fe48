"""The cross-entropy of a model on a sample, and its derivatives."""
