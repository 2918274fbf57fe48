"""A known conditional truth: p*(x) and p*(y | x)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array
from mlece.combinators.conditional import Conditional
from mlece.combinators.scipy_family import adopt
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.randomness import seeded
from mlece.regression.scoring import at_covariates
from mlece.sample import weights_like
from mlece.sources.distribution import FIRST_LEVEL, LAST_LEVEL, nodes
from mlece.sources.expectation import divergence, expectation
from mlece.sources.rows import Grid, RowNodes, TooManyPointsError, product, require_room, row_nodes
from mlece.sources.tables import read_covariates, taken

# Halving the step squares the error: a movement of 1e-10 leaves less than 1e-12.
SETTLED = 1e-10
ALONE = "x"


class Responses:
    """What gives the law of the response at covariates: a function, or a conditional model.

    Parameters
    ----------
    source : callable, Conditional or Fit
    named : bool
        Whether a function takes the covariates by name.
    """

    def __init__(self, source: Any, named: bool) -> None:
        source = source.model if isinstance(source, Fit) else source
        if not isinstance(source, Conditional) and (
            isinstance(source, Model) or not callable(source)
        ):
            raise errors.DataTypeError(
                errors.message(
                    "a function from covariates to a Model, or a fitted conditional model",
                    f"{type(source).__name__} {source!r:.60}",
                )
            )
        if isinstance(source, Conditional):
            source.theta  # noqa: B018  (raises where a slot is free)
            if source.batch_shape:
                raise errors.ParameterError(
                    errors.message(
                        "one conditional model",
                        f"an array of them, shape {source.batch_shape}",
                        "Take one fit of the batch, fit[i]",
                    )
                )
        self.source, self.named = source, named

    def at(self, given: Any, count: int) -> Law:
        """Return the laws of the response at covariates.

        Raises
        ------
        DataTypeError
            If the function returns no model of numbers or labels.
        DataError
            If it returns another number of laws than there are rows of covariates.
        """
        if isinstance(self.source, Conditional):
            model = at_covariates(self.source, given)
            return Law(model.responses(), model)
        arguments = (
            tuple(given.values()) if not self.named and isinstance(given, dict) else (given,)
        )
        law = adopt(self.source(**given) if self.named else self.source(*arguments))
        if not isinstance(law, Model) or law._width:
            raise errors.DataTypeError(
                errors.message(
                    "a Model of numbers or labels from y", f"{type(law).__name__} {law!r:.60}"
                )
            )
        law.theta  # noqa: B018  (raises where a slot is free)
        if law.batch_shape not in ((), (count,)):
            raise errors.DataError(
                errors.message(
                    f"one law of the response for each of {count} covariate points",
                    f"slots of shape {law.batch_shape}",
                    "Let y compute with the arrays that it is given",
                )
            )
        return Law(law)


def has_kinks(model: Model) -> bool:
    """Tell whether the density of a family is not smooth somewhere inside its support."""
    return not model.support.discrete and model.has("_breakpoints")


@dataclass(frozen=True, eq=False)
class Law:
    """The laws of a response at some covariates.

    Parameters
    ----------
    family : Model
        Its slots have the shape (m,), or () where the covariates do not matter.
    conditional : Conditional, optional
        The model that they came from; it knows probabilities beside 0 and 1 that no slot holds.
    """

    family: Model
    conditional: Conditional | None = None

    def kinks(self, count: int) -> Array | None:
        """Return the responses at which the densities are not smooth, (c, count)."""
        if not has_kinks(self.family):
            return None
        points = self.family._breakpoints(*self.family.theta)
        return np.stack([np.broadcast_to(at, (count,)) for at in points])

    def log_density(self, values: Array, row: Array) -> Array:
        """Return the log density of responses (N,), codes for labels, at rows (N,)."""
        known = self.conditional
        if known is not None and not known.inner._width:
            pairs = np.stack([values, row.astype(float)], axis=-1)[None]
            with np.errstate(all="ignore"):
                theta = tuple(v.reshape(1, 1) for v in known.theta)
                hooked = known.log_density_hook(known.statistics(pairs), theta)
            inside = self.family.support.contains(values)
            return np.asarray(np.where(inside, hooked[0], -np.inf))
        model = self.family
        if not model.batch_shape:
            return model.log_density(model.decode(values))
        own = tuple(
            np.broadcast_to(v, (*model.batch_shape, *v.shape[v.ndim - p.vector :]))[row]
            for p, v in zip(model.params, model.theta, strict=True)
        )
        return np.asarray(model.member(*own).log_density(model.decode(values[:, None]))[:, 0])


@dataclass(frozen=True, eq=False)
class ConditionalTruth:
    """A known law of covariates with a known law of a response given them; see :func:`conditional_truth`.

    Attributes
    ----------
    y : Responses
        The law of the response.
    laws : dict of str to Model
        The laws of independent covariates; empty for a sample of them.
    given : object
        A sample of covariates, as it came.
    weights : array (m,), optional
        Its weights, of sum 1.
    name : str
        For reports.
    """

    y: Responses
    laws: dict[str, Model]
    given: Any = None
    weights: Array | None = None
    name: str = "conditional truth"

    def __repr__(self) -> str:
        if self.laws:
            told = ", ".join(f"{name} ~ {law!r}" for name, law in self.laws.items())
        else:
            assert self.weights is not None
            told = f"{self.weights.size} rows of covariates"
        return f"{self.name} ({told})"

    def rule(self, level: int, other: Responses | None = None) -> JointRule:
        """Return the truth as weighted points, densities at steps 2^-level.

        Parameters
        ----------
        level : int
        other : Responses, optional
            Laws at whose kinks the responses are cut.
        """
        if self.weights is not None:
            grid, given = Grid(self.weights), self.given
        else:
            rules = tuple(nodes(law, level) for law in self.laws.values())
            grid = product(rules)
            axes = np.meshgrid(*[rule.values for rule in rules], indexing="ij")
            given = {
                name: law.decode(axis.ravel())
                for (name, law), axis in zip(self.laws.items(), axes, strict=True)
            }
        law = self.y.at(given, grid.count)
        kinks = None if other is None else other.at(given, grid.count).kinks(grid.count)
        return JointRule(given, law, row_nodes(law.family, grid, level, kinks))

    def rules(self, other: Responses | None = None) -> Iterator[JointRule]:
        """Yield ever finer rules, those that miss mass left out; one alone where there are only sums.

        Parameters
        ----------
        other : Responses, optional
            Laws at whose kinks the responses are cut.

        Raises
        ------
        NoDensityError
            If none of them finds the mass of the laws, or two of them have too many points.
        """
        found = False
        for level in range(FIRST_LEVEL, LAST_LEVEL + 1):
            try:
                rule = self.rule(level, other)
            except errors.NoDensityError as error:
                if level == LAST_LEVEL or found or isinstance(error, TooManyPointsError):
                    raise
                continue
            if not found and rule.nodes.level:
                require_room(rule.nodes.growth * rule.nodes.count, "two levels of the covariates")
            found = True
            yield rule
            if rule.nodes.level == 0:
                return

    def settle(
        self, function: Callable[[JointRule], float], other: Responses | None = None
    ) -> float:
        """Return what a function of the rule settles at."""
        before = np.nan
        for rule in self.rules(other):
            value = float(function(rule))
            if not np.isfinite(value) or rule.nodes.level == 0:
                return value
            if abs(value - before) <= SETTLED * max(1.0, abs(value)):
                return value
            before = value
        raise unsettled(abs(value - before))

    def entropy(self) -> float:
        """Return H(Y | X) = E H(p*(· | X)), nats."""
        return self.settle(_entropy)

    def cross_entropy(self, q: Any) -> float:
        """Return E[−log q(Y | X)], nats, of another law of the response, whatever y may be."""
        other = self.responses(q)
        return self.settle(lambda rule: rule.mean_code_length(other), other)

    def divergence(self, q: Any) -> float:
        """Return E[log p* − log q], nats, the divergence of the laws of the response, averaged over x."""
        other = self.responses(q)
        return self.settle(
            lambda rule: divergence(
                rule.nodes, rule.log_density_of(other) - rule.own_log_density()
            ),
            other,
        )

    def responses(self, q: Any) -> Responses:
        """Read the other law of the response, for the covariates of this one."""
        return q.y if isinstance(q, ConditionalTruth) else Responses(q, self.y.named)

    def sample(self, size: int = 1, rng: Any = None) -> tuple[Array, Any]:
        """Draw responses with their covariates.

        Parameters
        ----------
        size : int
        rng : int or numpy.random.Generator, optional

        Returns
        -------
        y : array (size,)
        given : dict of arrays, or rows of the sample of covariates
            What ``fit(model, y, given=given)`` takes.
        """
        generator = seeded(rng)
        if self.weights is None:
            given: Any = {name: law.sample(size, generator) for name, law in self.laws.items()}
        else:
            given = taken(self.given, generator.choice(self.weights.size, size, p=self.weights))
        law = self.y.at(given, size).family
        y = law.sample(1, generator)[..., 0] if law.batch_shape else law.sample(size, generator)
        return y, given


@dataclass(frozen=True, eq=False)
class JointRule:
    """A conditional truth as weighted points.

    Parameters
    ----------
    given : object
        Covariates, m rows.
    law : Law
        The laws of the response at them.
    nodes : RowNodes
        The points.
    """

    given: Any
    law: Law
    nodes: RowNodes

    def log_density_of(self, other: Responses) -> Array:
        """Return log q(y | x) at the points (N,), minus infinity outside the support of q."""
        law = other.at(self.given, self.nodes.grid.count)
        if law.family.measure != self.law.family.measure:
            raise errors.ComparisonError(
                errors.message(
                    f"two laws of the response under one measure, {self.law.family.measure}",
                    f"{law.family.measure}",
                )
            )
        values = self.nodes.values
        if law.family.support.kind != "categories":
            return law.log_density(values, self.nodes.row)
        # Labels that the other law does not know have the code -1.
        codes = np.asarray(law.family.encode(self.law.family.decode(values)), dtype=float)
        known = law.log_density(np.maximum(codes, 0), self.nodes.row)
        return np.where(codes >= 0, known, -np.inf)

    def own_log_density(self) -> Array:
        """Return log p*(y | x) at the points, (N,)."""
        return self.law.log_density(self.nodes.values, self.nodes.row)

    def mean_code_length(self, other: Responses) -> float:
        """Return E[−log q]: infinite where q misses mass."""
        log_q = self.log_density_of(other)
        return np.inf if np.isneginf(log_q).any() else float(expectation(self.nodes, -log_q))


def _entropy(rule: JointRule) -> float:
    """Return E H(p*(· | X)), by the closed form of the family where it has one."""
    model, grid = rule.law.family, rule.nodes.grid
    closed = model._closed("_entropy")
    if closed is None or closed.shape != model.batch_shape or not np.isfinite(closed).all():
        return float(expectation(rule.nodes, -rule.own_log_density()))
    return float(expectation(grid.alone(), np.broadcast_to(closed, grid.weights.shape)))


def unsettled(moved: float) -> errors.NoDensityError:
    """Return the error of a truth that quadrature does not resolve."""
    return errors.NoDensityError(
        errors.message(
            "an expectation over covariates and response that quadrature resolves to 1e-12",
            f"a movement of {moved:.1e} at the last doubling",
            "The law of y may have jumps or kinks in x: give a sample of covariates, x=frame",
        )
    )


def _of_models(x: Any) -> bool:
    """Tell whether covariates come as laws by name."""
    if not isinstance(x, Mapping) or not x:
        return False
    models = [isinstance(adopt(v), Model) for v in x.values()]
    if any(models) and not all(models):
        raise errors.DataTypeError(
            errors.message(
                "a law for each covariate, or a column for each",
                f"a law for {models.index(True)}, a column for {models.index(False)}, by position",
            )
        )
    return all(models)


def _known(name: str, law: Model) -> Model:
    """Return a law of one covariate; raise unless it is one."""
    if law.batch_shape:
        raise errors.ParameterError(
            errors.message(f"one law of {name}", f"an array of them, shape {law.batch_shape}")
        )
    if law._width:
        raise errors.NoDensityError(
            errors.message(
                f"a law of numbers or labels for {name}",
                f"{type(law).__name__}, a law of {law._observations}",
                "Give a sample of dependent covariates: x=frame",
            )
        )
    law.theta  # noqa: B018  (raises where a slot is free)
    return law


def conditional_truth(
    y: Any, x: Any, *, weights: Any = None, name: str = "conditional truth"
) -> ConditionalTruth:
    """Declare a known law of a response given covariates, p*(x) p*(y | x).

    Parameters
    ----------
    y : callable, conditional Model or Fit
        The law of the response. A function takes covariates, arrays (m,), and returns a model with slots of
        shape (m,), or () where they do not depend on the covariates. It is called with the values of x
        where x is one Model; with the covariates by name where x is a mapping; with rows of x where x is a
        frame or an array. A fit with covariates, or its ``fit.model``, is read at the covariates by name.
    x : Model, mapping, frame or array (m,) or (m, d)
        The law of the covariates: one Model, for a covariate called ``x``; a mapping from names to Models,
        which are independent; or a sample of covariates, by which expectations in x are sums over its rows
        and only y given x is integrated.
    weights : array_like (m,), optional
        Weights of the rows of a sample; with the weights of a Gauss rule its points stand for a law.
    name : str
        For reports.

    Returns
    -------
    ConditionalTruth
        For :func:`mlece.fit` with a predictor in a slot, :func:`mlece.pseudo_true`, :func:`mlece.ledger`,
        :func:`mlece.entropy`, which is H(Y | X), :func:`mlece.cross_entropy` and
        :func:`mlece.kl_divergence`, whose second law may be whatever y may be.

    Raises
    ------
    DataTypeError
        If y is neither a function nor a conditional model, or x a mixture of laws and columns.
    FreeSlotError
        If a slot is free.
    NoDensityError
        For a law of vectors; when the truth is used, if its expectations do not settle, or need more than
        2^23 points (two covariates with densities and a response with a density need that).

    Notes
    -----
    Covariates with densities and responses with densities are summed by double-exponential quadrature
    (Takahasi and Mori 1974), laws of the response that differ in location and scale alone by one rule in
    their own frames, discrete ones over their support. Steps are halved until the value moves by less than
    1e-10, which leaves its square. Counts at covariates of less than 1e-40 of the mass are left out.
    Densities with kinks, of a model too, are cut there. A transform in a formula that looks at its data
    (``center``, splines) sees the points of the rule without their weights.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> truth = mlece.conditional_truth(
    ...     y=lambda x: mlece.Gaussian(mean=0, sd=np.exp(x / 2)), x=mlece.Gaussian(mean=0, sd=1)
    ... )
    >>> found = mlece.pseudo_true(mlece.Gaussian(mean="x"), truth)
    >>> round(found.gap, 9), round(found.variance_ratio["mean[x]"], 9)  # c²/4 and 1 + c², c = 1
    (0.25, 2.0)
    """
    if _of_models(x):
        laws = {str(k): _known(str(k), adopt(v)) for k, v in x.items()}
    else:
        one = adopt(x)
        laws = {ALONE: _known(ALONE, one)} if isinstance(one, Model) else {}
    if laws:
        if weights is not None:
            raise errors.DataError(
                errors.message("weights with a sample of covariates", "weights with laws of them")
            )
        return ConditionalTruth(Responses(y, isinstance(x, Mapping)), laws, name=name)
    if isinstance(x, Mapping):
        x = {str(k): np.asarray(v) for k, v in x.items()}
    elif isinstance(x, list | tuple):
        x = np.asarray(x)
    rows = read_covariates(x).rows
    w = weights_like(None if weights is None else as_array(weights, "weights"), rows)
    shares = np.full(rows, 1.0 / rows) if w is None else w / w.sum()
    return ConditionalTruth(Responses(y, isinstance(x, Mapping)), {}, x, shares, name)
