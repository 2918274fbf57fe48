"""Fits of conditional models p(y | x)."""
