"""Diagnostics of a fit: the ledger against a known truth, the gap over the entropy floor."""
