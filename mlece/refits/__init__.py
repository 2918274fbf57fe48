"""Many fits at once: samples drawn from a fit or from its data, recorded like the data."""
