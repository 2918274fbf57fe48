"""Fit: what a fit knows, and to which room each question goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.certificate import Certificate
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import response_family
from mlece.combinators.penalties import require_likelihood
from mlece.fits.proof import Proof
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.quantities import InSample, Population
from mlece.sample import Sample

if TYPE_CHECKING:
    from mlece.diagnostics.gap import Gap
    from mlece.diagnostics.ledger import Ledger
    from mlece.inference.curve import LikelihoodCurve
    from mlece.inference.functional import Functional
    from mlece.inference.intervals import Interval


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of :func:`mlece.fit`: frozen, with the proof and everything that follows from it.

    Parameters are reported in the user's units. For a batch every number is an array with the batch
    axes in front.

    Attributes
    ----------
    family : Model
        The model that was fitted, free slots and all.
    solver : str
        Which solver ran.
    given : object
        The frame, Series or covariates that were fitted, as they came; None for arrays and lists alone.
    """

    family: Model
    sample: Sample
    objective: CrossEntropy
    framed: Arrays
    theta: Arrays
    proof: Proof
    solver: str
    notes: dict[str, Any]
    ends: Any
    limit_models: dict[int, Any]
    given: Any = None

    @property
    def values(self) -> Array:
        """Cross-entropy at the estimates with the batch axes flattened, nats per observation, (R,)."""
        return self.proof.shown.values

    @property
    def certificate(self) -> Certificate:
        """How far from the optimum the fit can be, or why there is none."""
        return self.proof.shown.certificate

    # ------------------------------------------------------------------ estimates

    def flat(self, name: str) -> Array:
        """Return the estimates of one parameter with the batch axes flattened, (R,) or (R, K)."""
        return self.theta[[p.name for p in self.family.params].index(name)]

    def _shaped(self, a: Array) -> Any:
        out = a.reshape((*self.sample.batch_shape, *a.shape[1:]))
        return out.item() if out.ndim == 0 else out

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that were estimated."""
        return self.family.free

    @property
    def on_simplex(self) -> bool:
        """Whether the estimate is a point of the simplex (Categorical)."""
        return any(p.vector and p.name in self.family.free for p in self.family.params)

    @property
    def params(self) -> dict[str, Any]:
        """Estimates of the free parameters by name."""
        free, pairs = {*self.names}, zip(self.family.params, self.theta, strict=True)
        return {p.name: self._shaped(t) for p, t in pairs if p.name in free}

    @property
    def model(self) -> Model:
        """The fitted member of the family, a distribution.

        Raises
        ------
        NoDensityError
            If the fit has no minimiser; the message says why.
        """
        statuses = np.ravel(np.asarray(self.certificate.status, dtype=object))
        for i, status in enumerate(statuses):
            if not (status.solved or status.name == "STEP_LIMIT"):
                raise errors.NoDensityError(
                    errors.message(
                        f"a fitted member of {self.family.title}",
                        f"{status.value}" + (f" (member {i})" if self.sample.batch_shape else ""),
                        self.certificate.sentence or "There is no such distribution",
                    )
                )
        values = [self._shaped(t) for t in self.theta]
        if self.limit_models:
            if self.sample.batch_shape:
                raise errors.NoDensityError(
                    errors.message(
                        "members of one family",
                        f"{len(self.limit_models)} of {self.objective.size} that end in another family",
                        "Use fit[i].model",
                    )
                )
            built: Model = self.limit_models[0](*values)
            return built.member(*built.theta)
        return self.family.member(*values)

    def groups(self) -> list[tuple[Array, Model]]:
        """Return the fitted members as batched models: those of the family, and those at each limit.

        Returns
        -------
        list of (array of int (r,), Model with slots (r,))
            Together the indices cover the flattened batch, members without a minimiser excepted.
        """
        statuses = np.ravel(np.asarray(self.certificate.status, dtype=object))
        usable = np.array([s.solved or s.name == "STEP_LIMIT" for s in statuses])
        builders = {i: self.limit_models.get(i) for i in np.flatnonzero(usable).tolist()}
        out = []
        for builder in dict.fromkeys(builders.values()):
            members = np.array([i for i, b in builders.items() if b is builder])
            theta = [t[members] for t in self.theta]
            if builder is None:
                out.append((members, self.family.member(*theta)))
            else:
                out.append((members, builder(*theta)))
        return out

    def __getitem__(self, index: Any) -> Fit:
        """Return one fit of a batch."""
        from mlece.fits.fitting import fit_sample

        if not self.sample.batch_shape:
            raise errors.DataTypeError(errors.message("a batch of fits", "a single fit"))
        flat = np.arange(self.objective.size).reshape(self.sample.batch_shape)[index]
        if np.ndim(flat) != 0:
            raise errors.DataTypeError(errors.message("the index of one fit", repr(index)))
        member = np.array([int(flat)])
        from dataclasses import replace

        sample = replace(self.sample.take(member), batch_shape=())
        slots = {
            p.name: None if p.name in self.family.free else self.flat(p.name)[member[0]]
            for p in self.family.params
        }
        return fit_sample(self.family.replace(**slots), sample)

    @property
    def solution_set(self) -> dict[str, tuple[Any, Any]] | None:
        """Ends of the set of optimal values by parameter, where the optimum is not unique."""
        if self.ends is None:
            return None
        low, high = self.ends
        return {
            p.name: (self._shaped(np.asarray(a)), self._shaped(np.asarray(b)))
            for p, a, b in zip(self.family.params, low, high, strict=True)
            if p.name in self.names and np.any(a != b)
        } or None

    # ------------------------------------------------------------------ cross-entropy and criteria

    @property
    def n(self) -> Any:
        """Number of observations: the total weight; None for a known distribution."""
        return None if self.sample.truth is not None else self._shaped(self.objective.total)

    @property
    def cross_entropy(self) -> Any:
        """Cross-entropy at the estimate, nats per observation: ``InSample`` or ``Population``."""
        value = self._shaped(self.values)
        if not isinstance(value, float):
            return value
        if self.sample.drawn is not None:
            terms = -self.model.log_density(self.sample.drawn.draws)
            return Population.measured(value, self.sample.drawn.mean(terms)[1])
        return Population(value) if self.sample.truth is not None else InSample(value)

    @property
    def penalty(self) -> Any:
        """What a penalty adds to the cross-entropy at the estimate, nats per observation; 0 without."""
        return self._shaped(np.array(self.objective.penalty_at(self.framed)))

    @property
    def minimum(self) -> Array:
        """What was minimised, at the estimate: the cross-entropy with its penalty, (R,)."""
        return np.asarray(self.values + self.objective.penalty_at(self.framed))

    def held_out(self, data: Any, weights: Any = None) -> Any:
        """Return the cross-entropy of observations that the fit has not seen, nats per observation.

        Parameters
        ----------
        data : array_like (n,)
            New observations (labels for a Categorical).
        weights : array_like (n,), optional
            Frequency weights.

        Returns
        -------
        HeldOut
            Unbiased for the population value, with sampling error; infinite where an observation lies
            outside the support of the fitted model. For a batch an array, NaN for members without a
            minimiser (``fit.certificate.status`` tells which).

        Examples
        --------
        >>> import mlece
        >>> fit = mlece.fit(mlece.Exponential(), [1.0, 2.0, 3.0])
        >>> round(fit.held_out([2.0, 4.0]), 6)
        2.193147
        """
        from mlece.fits.contributions import held_out

        return held_out(self, data, weights)

    def require_numbers(self, what: str, hint: str = "") -> None:
        """Raise unless the observations are exact numbers (or labels), whether given covariates or not."""
        family = response_family(self.family)
        if family._width:
            raise errors.ComparisonError(
                errors.message(
                    f"numbers for {what}", f"{family._observations} ({type(family).__name__})", hint
                )
            )

    def _data_only(self, what: str) -> None:
        if self.sample.truth is not None or self.sample.drawn is not None:
            raise errors.ComparisonError(
                errors.message(f"data for {what}", "a fit to a known distribution")
            )

    def _frequencies_only(self, what: str) -> None:
        if self.sample.weighting == "sampling":
            raise errors.ComparisonError(
                errors.message(
                    f"a likelihood for {what}",
                    "sampling weights, under which the sum is a pseudo-likelihood",
                    "TIC holds for it",
                )
            )

    def _likelihood_only(self, what: str) -> None:
        self._frequencies_only(what)
        require_likelihood(self.objective.penalty, what)

    @property
    def log_likelihood(self) -> Any:
        """Log-likelihood, −n times the cross-entropy."""
        self._data_only("a log-likelihood")
        return self._shaped(-self.values * self.objective.total)

    @property
    def parameter_count(self) -> int:
        """Number of free parameters (K − 1 for a point of the simplex)."""
        if self.on_simplex:
            return int(self.framed[0].shape[-1] - 1)
        return len(self.names)

    @property
    def aic(self) -> Any:
        """Akaike's criterion, −2 ℓ + 2 k."""
        self._likelihood_only("Akaike's criterion")
        return -2.0 * self.log_likelihood + 2.0 * self.parameter_count

    @property
    def aicc(self) -> Any:
        """Akaike's criterion for short samples, AIC + 2 k (k + 1)/(n − k − 1); infinite for n <= k + 1.

        Exact for linear models with Gaussian errors (Sugiura 1978; Hurvich and Tsai 1989).
        """
        k, aic = self.parameter_count, np.asarray(self.aic)
        room = np.maximum(np.asarray(self.n, dtype=float) - k - 1.0, 0.0)
        with np.errstate(divide="ignore"):
            out = aic + np.where(room > 0, 2.0 * k * (k + 1.0) / room, np.inf)
        return out if out.ndim else out.item()

    @property
    def bic(self) -> Any:
        """Schwarz's criterion, −2 ℓ + k log n."""
        self._likelihood_only("Schwarz's criterion")
        return -2.0 * self.log_likelihood + np.log(self.n) * self.parameter_count

    @property
    def trace(self) -> Any:
        """tr(A⁻¹B), the effective number of parameters."""
        from mlece.fits.covariance import trace_term

        return self._shaped(trace_term(self))

    @property
    def tic(self) -> Any:
        """Takeuchi's criterion, −2 ℓ + 2 tr(A⁻¹B): Akaike's without supposing the model right."""
        return -2.0 * self.log_likelihood + 2.0 * self.trace

    # ------------------------------------------------------------------ uncertainty

    @property
    def refusals(self) -> dict[Any, str]:
        """Members of a batch without standard errors, by their index, and why; NaN stands for them.

        Examples
        --------
        >>> import mlece
        >>> batch = mlece.fit(mlece.Poisson(), [[1, 2, 4], [0, 0, 0]])
        >>> batch.standard_errors()["rate"].round(3).tolist()
        [0.72, nan]
        >>> batch.refusals
        {1: 'status BOUNDARY: the minimum lies on the boundary of the parameter space'}
        """
        from mlece.fits.covariance import refusals

        shape = self.sample.batch_shape
        found = refusals(self)
        if len(shape) < 2:
            return dict(found)
        return {tuple(map(int, np.unravel_index(r, shape))): why for r, why in found.items()}

    def covariance(self, kind: str = "sandwich", **options: Any) -> Array:
        """Return the covariance matrix of the estimates; see :func:`mlece.fits.covariance.covariance`."""
        from mlece.fits.covariance import covariance

        return covariance(self, kind, **options)

    def standard_errors(self, kind: str = "sandwich", **options: Any) -> dict[str, Any]:
        """Return standard errors by parameter; kinds and options are those of ``covariance``."""
        from mlece.fits.covariance import standard_errors

        roots = standard_errors(self, kind, **options)
        if self.on_simplex:
            return {"p": roots}
        return {
            name: roots[..., j].item() if roots.ndim == 1 else roots[..., j]
            for j, name in enumerate(self.names)
        }

    def interval(
        self, level: float = 0.95, method: str = "auto", *args: Any, **options: Any
    ) -> dict[str, Interval]:
        """Return confidence intervals by parameter; see :func:`mlece.inference.intervals.interval`.

        Parameters
        ----------
        level : float
            Confidence level.
        method : {"auto", "wald", "exact", "profile", "robust profile", "bootstrap"}
            "auto" takes the exact law where the likelihood is not regular, Wald elsewhere.
        *args, **options
            ``kind`` (with its options, as in ``covariance``) and ``scale`` of a Wald interval;
            ``bootstrap``, ``resampling``, ``replicates`` and ``rng`` of a bootstrap.
        """
        from mlece.inference.intervals import interval

        return interval(self, level, method, *args, **options)

    def functional(self, function: Callable[[Model], Any], **options: Any) -> Functional:
        """Return a function of the fitted model; see :func:`mlece.inference.functional.functional`."""
        from mlece.inference.functional import functional

        return functional(self, function, **options)

    def profile(self, of: str | Callable[[Model], Any], **options: Any) -> LikelihoodCurve:
        """Return the likelihood of a value, profiled; see :func:`mlece.inference.curve.profile`."""
        from mlece.inference.curve import profile

        return profile(self, of, **options)

    @property
    def variance_ratio(self) -> dict[str, Any]:
        """Sandwich variance over the variance that supposes the model right (A⁻¹), by parameter."""
        from mlece.fits.covariance import standard_errors

        ratio = (standard_errors(self, "sandwich") / standard_errors(self, "hessian")) ** 2
        return {n: self._plain(ratio[..., j]) for j, n in enumerate(self.names)}

    @staticmethod
    def _plain(value: Any) -> Any:
        return value.item() if np.ndim(value) == 0 else value

    # ------------------------------------------------------------------ known distributions

    def node_values(self) -> Array:
        """Return −log q (framed) at each quadrature node of a known distribution, (m,)."""
        y = self.objective.frame.apply(self.sample.values, slice(None))
        with np.errstate(all="ignore"):
            t = self.family.statistics(y)
            columns = tuple(p[:, None] for p in self.framed)
            out = self.family.log_density_hook(t, columns)
        return np.asarray(-np.broadcast_to(out, (1, y.shape[1]))[0])

    def with_whole_moments(self, b: Array) -> Array:
        """Return B under the whole truth; see :func:`mlece.fits.population.whole_moments`."""
        from mlece.fits.population import whole_moments

        return whole_moments(self, b)

    # ------------------------------------------------------------------ floors above

    def gap(self, **options: Any) -> Gap:
        """Return the excess over the entropy floor; see :func:`mlece.diagnostics.gap.gap`."""
        from mlece.diagnostics.gap import gap

        return gap(self, **options)

    def ledger(self, **options: Any) -> Ledger:
        """Return floor, approximation and estimation; see :func:`mlece.diagnostics.ledger.ledger`."""
        from mlece.diagnostics.ledger import ledger

        return ledger(self, **options)

    def residuals(self, kind: str = "quantile", rng: Any = 0) -> Any:
        """Return residuals of the observations; see :func:`mlece.residuals`."""
        from mlece.diagnostics.residuals import residuals

        return residuals(self, kind=kind, rng=rng)

    def plot(self, **options: Any) -> Any:
        """Draw four panels, or for incomplete data the survival function.

        See :func:`mlece.plot.fit_panels` and :func:`mlece.plot.survival_curve`.
        """
        from mlece.plot import fit_panels, survival_curve

        if is_incomplete(self.family):
            return survival_curve(self, **options)
        self.require_numbers("a plot")
        return fit_panels(self, **options)

    def tidy(self, *args: Any, **options: Any) -> Any:
        """Return a table with a row for each coefficient; see :func:`mlece.reports.tidy.tidy`."""
        from mlece.reports.tidy import tidy

        return tidy(self, *args, **options)

    def glance(self, frame: str | None = None) -> Any:
        """Return a table with one row for the fit; see :func:`mlece.reports.tidy.glance`."""
        from mlece.reports.tidy import glance

        return glance(self, frame)

    def augment(self, *args: Any, **options: Any) -> Any:
        """Return the data with what the fit says of each row; see :func:`mlece.reports.tidy.augment`."""
        from mlece.reports.tidy import augment

        return augment(self, *args, **options)

    def summary(self, units: str = "nats", covariance: str = "sandwich", **options: Any) -> str:
        """Return the table that ``print(fit)`` shows, in other units and with another covariance if wished.

        Kinds and options are those of ``covariance``.
        """
        from mlece.reports.report import fit_table

        return fit_table(self, units, covariance=covariance, **options)

    def __str__(self) -> str:
        return self.summary()

    @cached_property
    def _short(self) -> str:
        estimates = ", ".join(
            ("{}={:.6g}" if v == v else "{} undetermined").format(k, v)
            if isinstance(v, float)
            else f"{k}={np.array2string(np.asarray(v), precision=4, threshold=6)}"
            for k, v in self.params.items()
        )
        return f"<Fit {self.family.title}({estimates}) by {self.solver}>"

    def __repr__(self) -> str:
        return self._short
