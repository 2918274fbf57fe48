"""Expected information of one observation as jets, of laws that are computed in real indices.

Returned by pairs i <= j of the parameters, as the hook ``_information`` of a family gives it.
"""

from __future__ import annotations

import itertools

import numpy as np

from mlece.links.tails import between
from mlece.links.unit_links import UnitLink
from mlece.math import Array
from mlece.numerics.jets import Jet, Pairs, compose, jet_exp


def of_successes(link: UnitLink, index: Jet) -> Jet:
    """Return f²/(F (1 − F)), the information of a trial in the index of its probability F(index).

    It is −a b with a = (log F)', b = (log (1 − F))'; a' = a (l − a), b' = b (l − b) with l = (log f)', so
    that a'' and b'' need no more than l'.
    """
    eta = index.value
    a, a1, b, b1 = link.log_pair_derivatives(eta)
    with np.errstate(all="ignore"):
        bend = link.log_slope_derivatives(eta)[1]
        a2 = np.where(a == 0, 0.0, a1 * (a1 / a) + a * (bend - a1))
        b2 = np.where(b == 0, 0.0, b1 * (b1 / b) + b * (bend - b1))
        second = -(a2 * b + 2.0 * a1 * b1 + a * b2)
    return compose(-a * b, (-(a1 * b + a * b1),), (second,), (index,))


def of_waits(link: UnitLink, index: Jet) -> Jet:
    """Return the information of the failures before the first success: that of 1/F trials."""
    a, a1, _, _ = link.log_pair_derivatives(index.value)
    log_trials = compose(-link.log_pair(index.value)[0], (-a,), (-a1,), (index,))
    return of_successes(link, index) * jet_exp(log_trials)


def of_labels(logs: Array, others: Array, ratios: tuple[Jet, ...]) -> Pairs:
    """Return p_i (1 − p_i) and −p_i p_j of labels by their log-ratios to the first.

    Parameters
    ----------
    logs, others : array (..., K)
        Logarithms of the probabilities and their complements, exact beside 1.
    ratios : tuple of K − 1 Jet
    """
    count = range(len(ratios))
    p = [np.exp(logs[..., i + 1]) for i in count]
    rest = [others[..., i + 1] for i in count]
    # d log p_i = δ_i − p and d² log p_i = −p_j (δ_jk − p_k): the same for every label.
    bends = [-p[j] * rest[j] if j == k else p[j] * p[k] for j in count for k in count if k >= j]
    shares = []
    for i in count:
        slopes = [rest[i] if i == j else -p[j] for j in count]
        shares.append(jet_exp(compose(logs[..., i + 1], slopes, bends, ratios)))
    remainders = [Jet(q, (-s).first, (-s).second) for q, s in zip(rest, shares, strict=True)]
    return {
        (i, j): shares[i] * remainders[i] if i == j else -(shares[i] * shares[j])
        for i in count
        for j in count
        if j >= i
    }


def of_ordered(link: UnitLink, cuts: tuple[Jet, ...], location: Jet | Array) -> Pairs:
    """Return the information of labels in an order in their cut points and, last, the location.

    In u_j = cut_j − location it has three diagonals: f_j² (1/P_j + 1/P_(j+1)) and −f_j f_(j+1)/P_(j+1), P_j
    the probability between u_(j−1) and u_j, f_j the density at u_j.
    """
    ends = [cut - location for cut in cuts]
    masses = _log_masses(link, ends)
    heights = []
    for u in ends:
        first, second = link.log_slope_derivatives(u.value)
        heights.append(compose(link.log_slope(u.value), (first,), (second,), (u,)))
    k = len(ends)
    out: Pairs = {}
    for j, height in enumerate(heights):
        twice = height + height
        out[j, j] = _ratio(twice, masses[j]) + _ratio(twice, masses[j + 1])
        if j + 1 < k:
            out[j, j + 1] = -_ratio(height + heights[j + 1], masses[j + 1])
    zero = ends[0].lift(np.zeros(()))
    whole = zero
    for j in range(k):
        moved = zero
        for other in (j - 1, j, j + 1):
            pair = min(j, other), max(j, other)
            moved = moved - out[pair] if pair in out else moved
        out[j, k] = moved
        whole = whole - moved
    out[k, k] = whole
    return out


def _log_masses(link: UnitLink, ends: list[Jet]) -> list[Jet]:
    """Return the log probabilities of the intervals that some points cut the line into."""
    lowest, highest = (ends[0].lift(np.full(np.shape(ends[0].value), v)) for v in (-np.inf, np.inf))
    places = [lowest, *ends, highest]
    return [between(link, (a,), (b,))[0] for a, b in itertools.pairwise(places)]


def _ratio(height: Jet, mass: Jet) -> Jet:
    """Return the exponential of a difference, 0 where a density has underflowed."""
    log_ratio = height - mass
    gone = np.isneginf(height.value)
    return jet_exp(Jet(np.where(gone, -np.inf, log_ratio.value), log_ratio.first, log_ratio.second))
