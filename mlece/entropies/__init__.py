"""Entropies from data: of counts, of densities, of what ties, of one variable given another."""
