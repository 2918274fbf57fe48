"""Smooth maps of the line: constraints of parameters, links of predictors, laws by their tails."""
