"""How sure one is of parameters, and of functions of the fitted model."""
