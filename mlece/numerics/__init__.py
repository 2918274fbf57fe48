"""Numbers and arrays, whatever they stand for: derivatives, special functions, sums, small matrices."""
