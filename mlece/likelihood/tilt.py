"""Moments E[l^j e^(ρ l)] of one statistic l, and what they are at a nearby rate ρ.

Profile equations of families such as Weibull (l = log y) need those of order 0, 1 and 2. With four orders
more, Taylor's formula gives them in a neighbourhood of ρ, with a bound on the remainder: from the solution
of a part of a long sample one pass over all of it leads to the root, and neither the last steps of a
solver nor the sign change that proves its root need another.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from mlece.math import Array, Arrays
from mlece.moments import room, row_dot, weighted_sum

# Odd: two orders share one product.
ORDERS = 7
# Remainders, as shares of the moment of order 0, that nobody sees: in the cross-entropy, in its score
# and in the slope of the score.
_UNSEEN = (1e-16, 1e-15, 1e-6)


def tilted_sums(log_y: Array, w: Array | None, rate: Array) -> Arrays:
    """Sum l and l^j e^(ρ l), j = 0 to 6, over axis 1.

    Parameters
    ----------
    log_y : array (r or 1, m)
        The statistic l.
    w : array (r or 1, m), optional
        Weights.
    rate : array (r, 1)
        ρ of each member.
    """
    rows = max(len(log_y), len(rate), 1 if w is None else len(w))
    m = log_y.shape[1]
    power = np.multiply(log_y, rate, out=room((rows, m), 1))
    np.exp(power, out=power)
    if w is not None:
        power *= w
    square = np.multiply(log_y, log_y, out=room(log_y.shape, 2))
    sums = [weighted_sum(log_y, w, m), power.sum(axis=1)]
    for order in range(1, ORDERS, 2):
        if order > 1:
            power *= square
        sums += [row_dot(power, log_y), row_dot(power, square)]
    return tuple(sums)


class Tilt:
    """The moments of every member of a batch at the rate where the data were last read.

    Parameters
    ----------
    top : array (R,)
        Largest value of l.
    """

    def __init__(self, top: Array) -> None:
        self.top = np.maximum(top, 0.0)
        self.rate = np.full(len(top), np.nan)
        self.means = np.full((ORDERS + 1, len(top)), np.nan)

    def keep(self, rate: Array, members: Array, means: Array) -> None:
        """Remember the means of l and of l^j e^(ρ l)."""
        self.rate[members] = rate
        self.means[:, members] = means

    def near(self, rate: Array, members: Array) -> tuple[Array, Array]:
        """Return the means of l and of l^j e^(ρ l), j = 0, 1, 2, and where they are exact to rounding.

        For l <= 0, |l|^K e^(ρ l) is at most (K/(e ρ))^K; for l > 0 it grows by e^(δ l) over a step δ.
        """
        known, m = self.rate[members], self.means[1:, members]
        step, top = rate - known, self.top[members]
        with np.errstate(all="ignore"):
            next_one = top**ORDERS * np.exp(np.abs(step) * top) * m[0]
            next_one += (ORDERS / (np.e * np.minimum(rate, known))) ** ORDERS
            next_one /= m[0]
            exact = np.ones(len(rate), dtype=bool)
            out = [self.means[0, members]]
            for j, unseen in enumerate(_UNSEEN):
                terms = [step**i / factorial(i) * m[j + i] for i in range(ORDERS - j)]
                out.append(np.sum(terms[::-1], axis=0))
                order = ORDERS - j
                exact &= np.abs(step) ** order / factorial(order) * next_one <= unseen
        return np.array(out), exact
