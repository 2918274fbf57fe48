"""Models of p(y | x): existence of the maximum, collinear columns, closed-form certificates."""
