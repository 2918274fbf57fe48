"""Does a term of a predictor matter? The tests of a restriction, for the coefficients of the term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.terms import Term
from mlece.dataframes import data_frame
from mlece.design import Design
from mlece.diagnostics.nested import Restriction, restriction
from mlece.regression.result import ConditionalFit

_FIGURES = (
    "likelihood_ratio",
    "likelihood_ratio_p",
    "likelihood_ratio_robust_p",
    "wald",
    "wald_p",
    "wald_robust",
    "wald_robust_p",
    "score",
    "score_p",
    "score_robust",
    "score_robust_p",
)


_HEAD = (
    ("LR", 11),
    ("p", 10),
    ("robust p", 10),
    ("Wald", 11),
    ("robust p", 10),
    ("score", 11),
    ("robust p", 10),
)


@dataclass(frozen=True)
class TermTest:
    """One term of one predictor, tested.

    Attributes
    ----------
    slot : str
        The parameter that the predictor stands for.
    term : str
        The term, as the formula has it.
    coefficients : tuple of str
        Names of its coefficients.
    tests : Restriction
        That all of them are 0.
    """

    slot: str
    term: str
    coefficients: tuple[str, ...]
    tests: Restriction


@dataclass(frozen=True)
class TermTests:
    """Every term of every predictor of a fit, each tested in the presence of all others.

    Attributes
    ----------
    rows : tuple of TermTest
        In the order of slots and terms; constants are not among them.
    model : str
        Name of the model.
    """

    rows: tuple[TermTest, ...]
    model: str

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return slot, term, degrees of freedom and all statistics and p-values as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            The library whose data frame (or table) is wanted.

        Raises
        ------
        DataError
            For a batch of fits.
        """
        if np.ndim(self.rows[0].tests.likelihood_ratio):
            raise errors.DataError(
                errors.message("a single fit for a table of terms", "a batch", "Use fit[i].terms()")
            )
        columns: dict[str, list[Any]] = {
            "slot": [row.slot for row in self.rows],
            "term": [row.term for row in self.rows],
            "df": [row.tests.restrictions for row in self.rows],
        }
        columns |= {name: [getattr(row.tests, name) for row in self.rows] for name in _FIGURES}
        return data_frame(columns, backend)

    def __str__(self) -> str:
        names = [f"{row.slot}: {row.term}" for row in self.rows]
        wide = max([len(name) for name in names] + [4])
        if np.ndim(self.rows[0].tests.likelihood_ratio):
            return "\n".join(str(row.tests) for row in self.rows)
        head = f"{'term':<{wide}}  df" + "".join(f"{name:>{width}}" for name, width in _HEAD)
        lines = [f"{self.model}: terms, each in the presence of all others", "", head]
        for name, row in zip(names, self.rows, strict=True):
            t = row.tests
            cells = (
                f"{t.likelihood_ratio:11.4g}{t.likelihood_ratio_p:10.3g}"
                f"{t.likelihood_ratio_robust_p:10.3g}{t.wald_robust:11.4g}{t.wald_robust_p:10.3g}"
                f"{t.score_robust:11.4g}{t.score_robust_p:10.3g}"
            )
            lines.append(f"{name:<{wide}}{t.restrictions:>4}{cells}")
        lines += [
            "",
            "Wald and score with the sandwich; p supposes the model right, robust p does not.",
        ]
        return "\n".join(lines)


def term_test(
    fit: ConditionalFit, terms: str | Iterable[str], slot: str | None = None
) -> Restriction:
    """Test whether terms of the predictors have no effect: whether all their coefficients are 0.

    Parameters
    ----------
    fit : ConditionalFit
        Single or a batch.
    terms : str or iterable of str
        Terms of a formula ("C(sex)", with all its columns), columns of a design ("C(sex)[T.m]") or
        coefficients by their full names ("sd[age]"); several are tested jointly.
    slot : str, optional
        Look in the predictor of this slot alone. Without it a term stands for its coefficients in
        every predictor that holds it.

    Returns
    -------
    Restriction
        Likelihood ratio, against a fit without them, Wald and score tests, each in a form that supposes
        the model right and in one that does not.

    Raises
    ------
    UnknownNameError
        For a term that no predictor holds, or a slot without a predictor.
    NotRegularError
        If the fit has no regular interior optimum.

    Examples
    --------
    >>> import mlece
    >>> x = {"dose": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
    >>> fit = mlece.fit(mlece.Poisson(rate="dose"), [1, 2, 2, 4, 7, 9], given=x)
    >>> fit.test("dose").likelihood_ratio_p < 0.01
    True
    """
    wanted = [terms] if isinstance(terms, str) else list(terms)
    places = _places(fit, slot)
    found = [_coefficients(places, str(name)) for name in wanted]
    names = dict.fromkeys(name for one in found for name in one)
    return restriction(fit, **dict.fromkeys(names, 0))


def term_tests(fit: ConditionalFit, slot: str | None = None) -> TermTests:
    """Test every term of every predictor in the presence of all others, constants excepted.

    Parameters
    ----------
    fit : ConditionalFit
    slot : str, optional
        The predictor of this slot alone.

    Returns
    -------
    TermTests

    Notes
    -----
    Tests of the kind that is called type III: an interaction stays while its main effects are tested,
    so that these depend on how the factors are coded.

    Examples
    --------
    >>> import mlece
    >>> x = {"dose": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "old": [0, 1, 0, 1, 0, 1]}
    >>> fit = mlece.fit(mlece.Poisson(rate="dose + old"), [1, 2, 2, 4, 7, 9], given=x)
    >>> [row.term for row in fit.terms().rows]
    ['dose', 'old']
    """
    rows = []
    for term in _places(fit, slot):
        for name, columns in _by_term(term.design).items():
            coefficients = tuple(term.names[j] for j in columns if j != term.design.constant)
            if coefficients:
                tests = restriction(fit, **dict.fromkeys(coefficients, 0))
                rows.append(TermTest(term.label, name, coefficients, tests))
    if not rows:
        raise errors.ParameterError(
            errors.message("a term beside the constants to be tested", f"{fit.family!r}")
        )
    return TermTests(tuple(rows), fit.family.title)


def _places(fit: ConditionalFit, slot: str | None) -> list[Term]:
    """Return the predictors in question: all, or those of one slot."""
    terms = fit.conditional.terms
    found = [t for t in terms if slot is None or slot in (t.label, t.label.split("[")[0])]
    if not found:
        raise errors.unknown_name("slot with a predictor", str(slot), [t.label for t in terms])
    return found


def _by_term(design: Design) -> dict[str, tuple[int, ...]]:
    """Return the columns of each term of a formula; without a formula each column is a term."""
    recipe: Any = getattr(design.recipe, "recipe", design.recipe)
    formula = getattr(recipe, "formula", None)
    if formula is None:
        return {name: (j,) for j, name in enumerate(design.names)}
    # The columns of the formula are those of the design, but for a constant that it may do without.
    at = {name: j for j, name in enumerate(design.names)}
    terms = ((str(t), formula.column_names[own]) for t, own in formula.term_slices.items())
    return {name: tuple(at[c] for c in columns if c in at) for name, columns in terms}


def _coefficients(terms: list[Term], name: str) -> list[str]:
    """Return the coefficients that a name means: its own, of a column or of a whole term."""
    out = []
    for term in terms:
        columns: dict[str, tuple[int, ...]] = {
            _plain(column): (j,) for j, column in enumerate(term.design.names)
        }
        columns |= {_plain(full): (j,) for j, full in enumerate(term.names)}
        columns |= {_plain(whole): places for whole, places in _by_term(term.design).items()}
        out += [term.names[j] for j in columns.get(_plain(name), ())]
    if not out:
        known = [n for term in terms for n in (*_by_term(term.design), *term.names)]
        raise errors.unknown_name("term", name, dict.fromkeys(known))
    return out


def _plain(name: str) -> str:
    """Return the name of a term without spaces, its factors in one order."""
    return ":".join(sorted(name.replace(" ", "").split(":")))
