"""The entropy of one variable given another, from paired observations.

It is the floor under the conditional cross-entropy of a regression or a classifier. An entropy of
pairs less an entropy of the given variable would add two biases of opposite origin; each estimate
here uses one set of neighbourhoods for both, so that the biases cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, factorize, numeric, require_finite
from mlece.entropies.contingency import table_conditional_entropy
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.neighbours import fills_space, kozachenko_leonenko, usual_neighbour, whitened
from mlece.entropies.ties import tied_error
from mlece.math import Array, digamma, log

_MOST = 10**8  # cells of a table
_DEPENDENT = "Drop the columns of given that are constant or follow from others"
_FUNCTION = "function of X, or some of its columns of others: the entropy is minus infinity"


def conditional_entropy(
    y: Any,
    given: Any,
    *,
    discrete: bool | None = None,
    given_discrete: bool | None = None,
    k: int | None = None,
    method: str | None = None,
) -> EntropyEstimate:
    """Estimate the entropy of Y given X from paired observations.

    Parameters
    ----------
    y : array_like (n,) or (n, d)
        Observations of Y: labels (n,), or numbers.
    given : array_like (n,) or (n, e)
        Observations of X. Several columns of labels are one label together.
    discrete, given_discrete : bool, optional
        Whether Y, or X, is read as labels. If not given, floating-point numbers are numbers, and
        integers, booleans, text and other objects are labels.
    k : int, optional
        Which neighbour, where there are neighbours; 5 if not given, 3 below 200 observations.
    method : str, optional
        Where both are labels: an estimator of the entropy of counts, as in `estimate_entropy`
        ("chao-wang-jost" if not given).

    Returns
    -------
    EntropyEstimate
        In nats; differential if Y is a number.

        - Labels given labels: H(X, Y) - H(X) of the table of counts.
        - Numbers given labels: the mean of Kozachenko-Leonenko estimates within labels, weighted
          by their sizes.
        - Numbers given numbers: mean ψ(m) + d log 2ρ - ψ(k), with ρ the distance to the k-th
          neighbour in (x, y) and m the observations, its own included, nearer than ρ in x.
        - Labels given numbers: mean ψ(m) - ψ(k), with ρ the distance to the k-th neighbour of the
          same label and m the observations, its own included, nearer than ρ.

        X may tie and have atoms: where several neighbours are at distance ρ, k becomes the number
        of those nearer, as m is, and where ρ = 0 that of those at the place. The squared standard
        error is the variance of the terms over n. It does not hold the bias, which is upwards where
        Y changes much with X, other than linearly, over the distance of neighbours.

    Raises
    ------
    DataError
        If lengths differ, numbers are not finite, a number Y ties or is a function of X, a label
        is seen too rarely, or there are too few observations.
    ParameterError
        If k is below 1, or ``method`` or k is given where it has no meaning.

    Notes
    -----
    Numbers given numbers: the distances of Kraskov, Stögbauer and Grassberger (2004), Physical
    Review E 69, 066138, as Frenzel and Pompe (2007), Physical Review Letters 99, 204101, use them
    for conditional measures, of the residuals of a linear regression of Y on X, which have the same
    conditional entropy. Labels given numbers: Ross (2014), PLoS ONE 9, e87357, whose mutual
    information is Zhang's entropy of the labels less this; counts at distance zero as in Gao,
    Kannan, Oh and Viswanath (2017), Advances in Neural Information Processing Systems 30.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal(2000)
    >>> y = 3 * x + rng.standard_normal(2000)
    >>> round(mlece.conditional_entropy(y, given=x).value, 1)  # (1 + log 2π)/2 = 1.42
    1.4
    >>> mlece.conditional_entropy(["a", "b", "a", "b"], given=["p", "q", "p", "q"]).value
    0.0
    """
    target, labelled = _read(y, "y", discrete)
    source, grouped = _read(given, "given", given_discrete)
    if len(target) != len(source):
        raise errors.DataError(
            errors.message(
                "one value of X for each of Y", f"{len(target)} of y and {len(source)} of given"
            )
        )
    if labelled and grouped:
        if k is not None:
            raise errors.ParameterError(errors.message("no k between labels", repr(k)))
        table = _table(_codes(source, "given"), _codes(target, "y"))
        return table_conditional_entropy(table, method or "chao-wang-jost")
    if method is not None:
        raise errors.ParameterError(
            errors.message(
                "no method where y or given are numbers", repr(method), "Their kind decides; see k"
            )
        )
    nearest = usual_neighbour(len(target)) if k is None else k
    if nearest < 1:
        raise errors.ParameterError(errors.message("k from 1 on", repr(k)))
    if grouped:
        return _numbers_given_labels(target, source, nearest)
    if len(target) <= nearest:
        raise errors.DataError(
            errors.message(f"more than k = {nearest} observations", f"{len(target)}")
        )
    if labelled:
        return _labels_given_numbers(_codes(target, "y"), target, source, nearest)
    return _numbers_given_numbers(target, source, nearest)


# ---------------------------------------------------------------------------- reading


def _read(data: Any, what: str, discrete: bool | None) -> tuple[Array, bool]:
    """Return labels (n,) or (n, e), or numbers (n, d), and whether they are labels."""
    array = as_array(data, what)
    if array.ndim > 2:
        raise errors.DataError(errors.message(f"{what} (n,) or (n, d)", f"shape {array.shape}"))
    labels = array.dtype.kind != "f" if discrete is None else discrete
    if labels:
        return array, True
    numbers = np.asarray(numeric(array, what), dtype=float)
    require_finite(numbers, what)
    return numbers.reshape(len(numbers), -1), False


def _codes(array: Array, what: str) -> Array:
    """Return a code (n,) for each label, or for each row of labels."""
    if array.ndim == 1:
        return factorize(array, what)[1].ravel()
    parts = [factorize(column, what)[1].ravel() for column in array.T]
    return np.unique(np.stack(parts), axis=1, return_inverse=True)[1].ravel()


def _table(rows: Array, columns: Array) -> Array:
    shape = int(rows.max()) + 1, int(columns.max()) + 1
    if shape[0] * shape[1] > _MOST:
        raise errors.DataError(
            errors.message(
                f"a table of at most {_MOST:,} cells",
                f"{shape[0]:,} labels of given by {shape[1]:,} of y",
                "Numbers that are no labels need discrete=False or given_discrete=False",
            )
        )
    flat = np.ravel_multi_index((rows, columns), shape)
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)


# ---------------------------------------------------------------------------- neighbourhoods


def _places(white: Array, x: Array) -> tuple[Array, bool]:
    """Return whitened points equal to the last bit where the points were, and whether any were."""
    _, first, code = np.unique(x, axis=0, return_index=True, return_inverse=True)
    return white[first][code.ravel()], first.size < len(x)


def _nearer(tree: Any, centres: Array, radius: Array, norm: float) -> Array:
    """Count observations nearer than a radius, those at the place itself where it is 0."""
    # Distances to one atom agree to rounding.
    reach = radius * (1 - 1e-12)
    found = tree.query_ball_point(centres, reach, p=norm, return_length=True)
    return np.asarray(found, dtype=float)


# ---------------------------------------------------------------------------- three estimates


def _numbers_given_labels(y: Array, source: Array, k: int) -> EntropyEstimate:
    codes = _codes(source, "given")
    sizes = np.bincount(codes)
    few = sizes <= k
    if few.any():
        shown = np.asarray(source[np.argmax(codes == np.argmax(few))]).tolist()
        raise errors.DataError(
            errors.message(
                f"more than k = {k} observations for each label in given",
                f"{int(few.sum())} such labels of {sizes.size} with fewer, the first {shown!r} "
                f"with {int(sizes[few][0])}",
                "Merge rare labels, or choose a smaller k",
            )
        )
    groups = np.split(y[np.argsort(codes, kind="stable")], np.cumsum(sizes)[:-1])
    parts = [
        kozachenko_leonenko(group, k, multivariate=True)
        if y.shape[1] > 1
        else kozachenko_leonenko(group[:, 0], k)
        for group in groups
    ]
    heights = np.array([part.value for part in parts])
    share = sizes / sizes.sum()
    value = float(share @ heights)
    # Within labels n se² is the variance of the terms.
    within = share @ (sizes * np.square([part.se for part in parts]))
    se = float(np.sqrt((within + share @ np.square(heights - value)) / len(y)))
    return EntropyEstimate(value, se, f"Kozachenko-Leonenko within labels, k = {k}", len(y))


def _numbers_given_numbers(y: Array, x: Array, k: int) -> EntropyEstimate:
    terms = numbers_given_numbers(y, x, k)
    se = float(np.sqrt(terms.var() / len(y)))
    return EntropyEstimate(float(terms.mean()), se, f"Frenzel-Pompe, k = {k}", len(y))


def numbers_given_numbers(y: Array, x: Array, k: int) -> Array:
    """Return what every observation adds to the estimate of the entropy of numbers given numbers, (n,).

    Parameters
    ----------
    y : array (n, d)
    x : array (n, e)
    k : int
        Which neighbour.
    """
    from scipy.spatial import cKDTree

    n, e = x.shape
    if len(np.unique(y, axis=0)) < n:
        order = np.lexsort(y.T[::-1])
        repeated = np.append(False, (np.diff(y[order], axis=0) == 0).all(axis=1))
        raise tied_error(repeated, y[order, 0])
    # Axes that come last are residuals on those before: y on x, and x on itself alone.
    whitened(x, _DEPENDENT)
    white, units = whitened(np.concatenate([x, y], axis=1), f"Y is a linear {_FUNCTION}")
    places, repeats = _places(white[:, :e], x)
    white[:, :e] = places
    tree = cKDTree(white)
    distance = np.asarray(tree.query(white, k=k + 1, p=np.inf)[0])[:, 1:]
    if k > 1 and not repeats:
        fills_space(distance, white.shape[1], f"Y looks like a {_FUNCTION}")
    radius = distance[:, -1]
    near = _nearer(cKDTree(places), places, radius, np.inf)
    inside = _nearer(tree, white, radius, np.inf) if repeats else float(k)
    terms = digamma(near) - digamma(inside) + y.shape[1] * log(2 * radius)
    return np.asarray(terms + units[e:].sum())


def _labels_given_numbers(codes: Array, labels: Array, x: Array, k: int) -> EntropyEstimate:
    n = len(x)
    sizes = np.bincount(codes)
    if (sizes == 1).any():
        shown = np.asarray(labels[np.argmax(codes == np.argmax(sizes == 1))]).tolist()
        raise errors.DataError(
            errors.message(
                "at least two observations of each label of y",
                f"{int((sizes == 1).sum())} such labels of {sizes.size} with one, the first "
                f"{shown!r}",
                "Merge rare labels",
            )
        )
    terms = labels_given_numbers(codes, x, k)
    rare = int((sizes <= k).sum())
    note = f"{rare} labels seen at most {k} times use their farthest neighbour" if rare else ""
    se = float(np.sqrt(terms.var() / n))
    return EntropyEstimate(float(terms.mean()), se, f"Ross, k = {k}", n, note=note)


def labels_given_numbers(codes: Array, x: Array, k: int) -> Array:
    """Return what every observation adds to the estimate of the entropy of labels given numbers, (n,).

    Parameters
    ----------
    codes : array of int (n,)
        Labels, each seen twice or more (or never).
    x : array (n, e)
    k : int
        Which neighbour.
    """
    from scipy.spatial import cKDTree

    places, _ = _places(whitened(x, _DEPENDENT)[0], x)
    everyone = cKDTree(places)
    same, near = np.empty(len(x)), np.empty(len(x))
    for label, size in enumerate(np.bincount(codes)):
        if not size:
            continue
        own = places[codes == label]
        tree = cKDTree(own)
        radius = np.asarray(tree.query(own, k=[min(k, size - 1) + 1])[0])[:, 0]
        same[codes == label] = _nearer(tree, own, radius, 2.0)
        near[codes == label] = _nearer(everyone, own, radius, 2.0)
    return np.asarray(digamma(near) - digamma(same))
