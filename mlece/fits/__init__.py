"""fit(), where a fit may end, what comes out and how well the estimate is known."""
