"""Other tools, each behind one function: x -> parameters under the names that mlece uses.

A peer's ``load`` imports its library and returns that function; it raises ImportError where the
library is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np

Params = dict[str, Any]
Fitter = Callable[[np.ndarray], Params]


@dataclass(frozen=True)
class Peer:
    """A tool for one family."""

    name: str
    load: Callable[[], Fitter]


def scipy(law: str, read: Callable[..., Params], **fixed: float) -> Peer:
    """scipy.stats.LAW.fit, with the location held where mlece has none."""

    def load() -> Fitter:
        from scipy import stats

        return lambda x: read(*getattr(stats, law).fit(x, **fixed))

    return Peer("scipy", load)


def preliz(law: str, shift: int = 0, **names: str) -> Peer:
    """preliz.mle for one distribution, without its plot."""

    def load() -> Fitter:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import preliz as library

        def fit(x: np.ndarray) -> Params:
            member = getattr(library, law)()
            library.mle([member], x + shift if shift else x, plot=False)
            return {ours: getattr(member, theirs) for ours, theirs in names.items()}

        return fit

    return Peer("preliz", load)


def pomegranate(law: str, read: Callable[[Any], Params]) -> Peer:
    """pomegranate's distribution, fed with the same memory through torch.from_numpy."""

    def load() -> Fitter:
        import torch
        from pomegranate import distributions

        torch.set_num_threads(1)

        def fit(x: np.ndarray) -> Params:
            member = getattr(distributions, law)().fit(torch.from_numpy(x[:, None]))
            return {k: np.asarray(v.detach(), dtype=float) for k, v in read(member).items()}

        return fit

    return Peer("pomegranate", load)


def iminuit(log_density: Callable[..., Any], start: Callable[[np.ndarray], Params]) -> Peer:
    """Minuit's migrad on the unbinned likelihood, from a start given in closed form."""

    def load() -> Fitter:
        from iminuit import Minuit
        from iminuit.cost import UnbinnedNLL

        def fit(x: np.ndarray) -> Params:
            guess = start(x)
            search = Minuit(UnbinnedNLL(x, log_density, log=True), **guess)
            for name in set(guess) - {"loc"}:
                search.limits[name] = (1e-9, None)
            search.migrad()
            return dict(zip(search.parameters, search.values, strict=True))

        return fit

    return Peer("iminuit", load)


def descriptive() -> Peer:
    """Mean and standard deviation with statsmodels' DescrStatsW."""

    def load() -> Fitter:
        from statsmodels.stats.weightstats import DescrStatsW

        def fit(x: np.ndarray) -> Params:
            table = DescrStatsW(x, ddof=0)
            return {"mean": table.mean, "sd": table.std}

        return fit

    return Peer("statsmodels", load)


def student_regression() -> Peer:
    """statsmodels' TLinearModel with a constant as its only regressor."""

    def load() -> Fitter:
        from statsmodels.miscmodels.tmodel import TLinearModel

        def fit(x: np.ndarray) -> Params:
            # It prints when it is made.
            with redirect_stdout(StringIO()):
                model = TLinearModel(x, np.ones((len(x), 1)))
            start = np.array([np.median(x), 5.0, np.std(x) * 0.8])
            loc, df, scale = model.fit(start_params=start, method="bfgs", disp=0).params
            return {"df": df, "loc": loc, "scale": scale}

        return fit

    return Peer("statsmodels", load)


def negative_binomial_regression() -> Peer:
    """statsmodels' NegativeBinomial (NB2) with a constant as its only regressor."""

    def load() -> Fitter:
        from statsmodels.discrete.discrete_model import NegativeBinomial

        def fit(x: np.ndarray) -> Params:
            constant, alpha = NegativeBinomial(x, np.ones((len(x), 1))).fit(disp=0).params
            return {"size": 1 / alpha, "mean": np.exp(constant)}

        return fit

    return Peer("statsmodels", load)
