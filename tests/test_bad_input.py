"""Bad input: an error that says what was expected, what came, how often, what first and where."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlece
from mlece import errors
from mlece.domain import nonnegative, positive
from mlece.registry import registered

FAMILIES = {
    c.__name__: c(
        **{
            p.name: round(sum(p.typical) / 2)
            for p in c.params
            if not p.estimable and p.default is None
        }
    )
    for c in registered().values()
    if c.__module__.startswith("mlece.families")
}
NUMERIC = sorted(set(FAMILIES) - {"Categorical"})
every_family = pytest.mark.parametrize("name", sorted(FAMILIES))
numeric_family = pytest.mark.parametrize("name", NUMERIC)

nan, inf = float("nan"), float("inf")


def good(name: str, n: int = 6) -> np.ndarray:
    """Observations inside the support: the two least counts, numbers in (0, 1) elsewhere."""
    model = FAMILIES[name]
    if name == "Categorical":
        return np.arange(n) % 2 + 0.0
    if model.support.discrete:
        slots = [model.slots[p.name] for p in model.params]
        ends = zip(slots, model.params, strict=True)
        low, _ = model.bounds(tuple(p.typical[0] if s is None else s for s, p in ends))
        return np.arange(n) % 2 + (float(low) if np.isfinite(low) else 0.0)
    return np.linspace(0.2, 0.8, n)


def refused(call: Callable[[], Any], kind: type[Exception], *parts: str) -> str:
    """Check the type of the error and that its message has every part."""
    with pytest.raises(mlece.MleceError) as caught:
        call()
    error = caught.value
    assert isinstance(error, kind)
    assert isinstance(error, (ValueError, TypeError))
    text = str(error)
    assert text.startswith("expected ")
    assert "; got " in text
    for part in parts:
        assert re.search(part, text), f"{part!r} not in {text!r}"
    return text


def shown(value: Any) -> str:
    """Return a value without its address, which differs between the processes of a test run."""
    return re.sub(r" at 0x\w+", "", repr(value))


# ---------------------------------------------------------------------------- the observations


@numeric_family
@pytest.mark.parametrize("value", [nan, inf, -inf], ids=str)
@pytest.mark.parametrize("at", [0, 3, 5])
def test_missing_and_infinite_observations(name: str, value: float, at: int) -> None:
    y = good(name)
    y[at] = value
    refused(
        lambda: mlece.fit(FAMILIES[name], y),
        errors.DataError,
        "finite numbers",
        "1 such value of 6",
        rf"the first {value!r} at position {at}",
    )


@numeric_family
def test_every_offender_is_counted_and_the_first_is_shown(name: str) -> None:
    y = good(name, 20_000)
    y[[17, 16_390, 19_999]] = nan
    refused(
        lambda: mlece.fit(FAMILIES[name], y),
        errors.DataError,
        "3 such values of 20000",
        "first nan at position 17",
    )


OUTSIDE = {
    "Bernoulli": [2, -1, 0.5],
    "Beta": [-1e-9, 1 + 1e-9, 7],
    "MeanBeta": [-1e-9, 1 + 1e-9, 7],
    "BetaPrime": [0, -3],
    "Binomial": [-1, 2.5, 0.5],
    "BoxCoxColeGreen": [0, -3],
    "BoxCoxT": [0, -3],
    "BetaBinomial": [-1, 2.5, 0.5],
    "Delaporte": [-1, 1.25, 0.5],
    "DoublePoisson": [-1, 1.25, 0.5],
    "Exponential": [-1e-300],
    "Frechet": [0, -3],
    "Gamma": [0, -1e-300],
    "GeneralizedPoisson": [-1, 1.25, 0.5],
    "Geometric": [-1, 0.5, 1.25],
    "InverseGaussian": [0, -3],
    "Kumaraswamy": [-1e-9, 1 + 1e-9, 7],
    "LogNormal": [0, -3],
    "LogitNormal": [0, 1, -3],
    "NegativeBinomial": [-1, 1.25, 0.5],
    "Pareto": [0, -3],
    "Poisson": [-1, 1.25, 0.5],
    "Power": [0, 1 + 1e-9, -3],
    "Simplex": [0, 1, -3],
    "VonMises": [3.1416, -6],
    "Rice": [0, -3],
    "Weibull": [0, -3],
    "WrappedCauchy": [3.1416, -6],
    "Logarithmic": [0, -1, 1.25],
    "PoissonInverseGaussian": [-1, 1.25, 0.5],
    "Sichel": [-1, 1.25, 0.5],
    "YuleSimon": [0, -1, 1.25],
    "Zeta": [0, -1, 12.5],
}
for _name in NUMERIC:
    if FAMILIES[_name].support in (positive, nonnegative):
        OUTSIDE.setdefault(_name, [-3, 0] if FAMILIES[_name].support == positive else [-3])


def test_every_support_with_an_outside_is_tried() -> None:
    bounded = {n for n in NUMERIC if FAMILIES[n].support.bounded_somewhere}
    assert bounded == set(OUTSIDE)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in OUTSIDE.items() for v in vs])
def test_observations_outside_the_support(name: str, value: float) -> None:
    y = good(name)
    y[4] = value
    text = refused(
        lambda: mlece.fit(FAMILIES[name], y),
        errors.SupportError,
        f"support of {name}",
        "1 such value of 6",
        rf"the first {re.escape(repr(float(value)))} at position 4",
    )
    assert "clip" not in text


def test_more_successes_than_trials() -> None:
    refused(
        lambda: mlece.fit(mlece.Binomial(n=3), [1, 2, 5, 3]),
        errors.SupportError,
        "Binomial",
        "1 such value of 4",
        "first 5",
        "position 2",
    )


def test_more_successes_than_the_trials_of_one_sample_of_several() -> None:
    refused(
        lambda: mlece.fit(mlece.Binomial(n=[9, 3]), [[1, 5, 2], [1, 5, 2]]),
        errors.SupportError,
        "0 to 3",
        "1 such value of 6",
        "first 5",
        r"position \(1, 1\)",
    )


def test_observations_outside_fixed_ends_of_a_support() -> None:
    # Not an error: another member might hold them. The cross-entropy of these is infinite.
    for model, y in (
        (mlece.Uniform(lower=0, upper=1), [0.5, 2.0]),
        (mlece.Pareto(shape=1, scale=1), [0.5, 2.0]),
    ):
        fit = mlece.fit(model, y)
        assert float(fit.cross_entropy) == inf
        assert not fit.certificate.status.solved


@every_family
@pytest.mark.parametrize(
    "empty",
    [[], (), np.array([]), np.empty((3, 0)), pd.Series([], dtype=float), pl.Series([])],
    ids=repr,
)
def test_nothing(name: str, empty: Any) -> None:
    refused(lambda: mlece.fit(FAMILIES[name], empty), errors.DataError, "at least one")


@numeric_family
@pytest.mark.parametrize(
    "data",
    [
        ["a", "b", "c"],
        np.array(["1", "2"]),
        np.array([1 + 2j, 3]),
        pd.Series(["a", "b"]),
        pl.Series(["a", "b"]),
        np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
        np.array([1, 2], dtype="timedelta64[s]"),
        [datetime.date(2020, 1, 1)],
        [[1.0], "x"],
        [object(), object()],
        [b"1", b"2"],
        np.zeros(2, dtype=[("a", float)]),
    ],
    ids=lambda d: type(d).__name__ + str(getattr(d, "dtype", "")),
)
def test_things_that_are_no_numbers(name: str, data: Any) -> None:
    refused(lambda: mlece.fit(FAMILIES[name], data), mlece.MleceError)


@every_family
@pytest.mark.parametrize(
    "data", [3.0, 3, None, np.float64(2), {"a": [1, 2]}, {1, 2}, object(), len], ids=shown
)
def test_things_that_are_no_sequence(name: str, data: Any) -> None:
    refused(lambda: mlece.fit(FAMILIES[name], data), errors.DataTypeError, "sequence|array")


@numeric_family
def test_a_string_is_no_data(name: str) -> None:
    refused(lambda: mlece.fit(FAMILIES[name], "abc"), errors.DataTypeError, "given=frame")


@every_family
def test_rows_of_different_length(name: str) -> None:
    refused(lambda: mlece.fit(FAMILIES[name], [[1.0, 1.0], [1.0]]), errors.DataError, "rectangular")


@numeric_family
def test_missing_values_of_nullable_types(name: str) -> None:
    y = good(name)
    holes = [*y[:3].tolist(), None, *y[4:].tolist()]
    for data in (holes, pd.Series(holes), pd.Series(holes, dtype="Float64"), pl.Series(holes)):
        refused(
            lambda data=data: mlece.fit(FAMILIES[name], data),
            errors.DataError,
            "1 such value of 6",
            "position 3",
        )


def test_masked_arrays_do_not_lose_their_mask() -> None:
    y = np.ma.masked_array([1.0, 2.0, 3.0, 100.0], mask=[False, False, False, True])
    with pytest.raises(mlece.MleceError, match="mask"):
        mlece.fit(mlece.Gaussian(), y)


def test_decimals_and_big_integers_are_numbers() -> None:
    y = [1.5, 2.5, 4.0]
    same = mlece.fit(mlece.Gaussian(), y)
    for data in ([decimal.Decimal(str(v)) for v in y], np.array(y, dtype=object)):
        assert mlece.fit(mlece.Gaussian(), data).params == same.params
    assert mlece.fit(mlece.Gaussian(), [10**30, 3 * 10**30]).params["mean"] == 2e30


def test_a_frame_of_several_columns() -> None:
    frame = pd.DataFrame({"a": [1.0, 2], "b": [1.0, 2]})
    refused(lambda: mlece.fit(mlece.Gaussian(), frame), errors.DataError, "one column", "a, b")


def test_missing_labels() -> None:
    for data in (["a", None, "b"], np.array([1.0, nan, 2.0]), pd.Series(["a", None, "b"])):
        refused(
            lambda data=data: mlece.fit(mlece.Categorical(), data),
            errors.DataError,
            "1 such value of 3",
            "position 1",
        )


def test_labels_that_were_not_declared() -> None:
    refused(
        lambda: mlece.fit(mlece.Categorical(labels=("a", "b")), ["a", "c", "b", "c"]),
        errors.SupportError,
        "'a', 'b'",
        "2 such values of 4",
        "first 'c' at position 1",
    )


# ---------------------------------------------------------------------------- the weights


@every_family
@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ([1, 1, -2, 1, -1, 1], ("non-negative", "2 such values of 6", "first -2.0 at position 2")),
        ([1, 1, nan, 1, 1, 1], ("finite", "1 such value of 6", "first nan at position 2")),
        ([1, inf, 1, 1, 1, 1], ("finite", "1 such value of 6", "first inf at position 1")),
        ([0] * 6, ("positive sum",)),
        ([1, 1, 1], ("one weight for each of 6", "3 weights")),
        ([1e308] * 6, ("finite sum",)),
        (["a"] * 6, ("weights",)),
        (2.0, ("weights", "2.0")),
        ([], ("weights",)),
        ([[1] * 6, [0] * 6], ("positive sum",)),
    ],
    ids=lambda v: str(v)[:30],
)
def test_weights(name: str, weights: Any, parts: tuple[str, ...]) -> None:
    refused(
        lambda: mlece.fit(FAMILIES[name], good(name), weights=weights), mlece.MleceError, *parts
    )


@numeric_family
def test_batches_that_do_not_match(name: str) -> None:
    y, w = np.stack([good(name)] * 3), np.ones((4, 6))
    refused(
        lambda: mlece.fit(FAMILIES[name], y, weights=w),
        errors.DataError,
        "batch axes",
        r"\(3,\)",
        r"\(4,\)",
    )
    refused(
        lambda: mlece.fit(FAMILIES[name], np.empty((0, 5))), errors.DataError, "at least one sample"
    )


@numeric_family
def test_offenders_in_a_batch_have_two_coordinates(name: str) -> None:
    y = np.stack([good(name)] * 3)
    y[1, 2] = nan
    refused(
        lambda: mlece.fit(FAMILIES[name], y),
        errors.DataError,
        "1 such value of 18",
        r"position \(1, 2\)",
    )


# ---------------------------------------------------------------------------- names and options


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: mlece.fit("gama", [1.0]), ("'gama'", "'Gamma'")),
        (lambda: mlece.fit("qqqqqq", [1.0]), ("Known:", "Gamma")),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2], solver="newtn"), ("solver", "'newton'")),
        (lambda: mlece.fit(mlece.Gamma(), "hight", given={"height": [1.0]}), ("'height'",)),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2]).covariance("sandwitch"), ("'sandwich'",)),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2]).interval(method="walt"), ("'wald'",)),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2]).interval(scale="log"), ("scale",)),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2]).interval(level=95), (r"\(0, 1\)", "95")),
        (lambda: mlece.fit(mlece.Gamma(), [1.0, 2]).interval(level=nan), (r"\(0, 1\)", "nan")),
    ],
)
def test_unknown_names_have_their_nearest_match(
    call: Callable[[], Any], parts: tuple[str, ...]
) -> None:
    refused(call, mlece.MleceError, *parts)


@pytest.mark.parametrize("model", [3, None, int, object(), [mlece.Gamma()]], ids=shown)
def test_things_that_are_no_model(model: Any) -> None:
    refused(lambda: mlece.fit(model, [1.0]), errors.DataTypeError, "model")


@pytest.mark.parametrize(
    "given", [3, [1, 2], "file.csv", np.zeros((3, 2))], ids=lambda g: type(g).__name__
)
def test_things_that_are_no_frame(given: Any) -> None:
    refused(lambda: mlece.fit(mlece.Gamma(), "x", given=given), errors.DataTypeError, "frame")


def test_a_known_distribution_takes_no_weights() -> None:
    refused(
        lambda: mlece.fit(mlece.Gaussian(), mlece.Exponential(rate=1), weights=[1.0]),
        errors.DataError,
        "no weights",
    )


# ---------------------------------------------------------------------------- the slots

SLOTS = [
    (name, p.name, value)
    for name in NUMERIC
    for p in FAMILIES[name].params
    for value in (nan, inf, -inf, {}, 1j, [1.0, nan])
] + [
    (name, p.name, value)
    for name in NUMERIC
    for p in FAMILIES[name].params
    if p.domain.lower == 0
    for value in (-1e-300, -1.0)
]


@pytest.mark.parametrize(("name", "slot", "value"), SLOTS)
def test_a_slot_outside_its_domain(name: str, slot: str, value: Any) -> None:
    known = {p.name: 10 for p in FAMILIES[name].params if not p.estimable and p.default is None}
    refused(
        lambda: type(FAMILIES[name])(**{**known, slot: value}),
        errors.ParameterError,
        slot,
        name,
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: mlece.Gaussian(mu=1),
        lambda: mlece.Gaussian(1, 2, 3),
        lambda: mlece.Gaussian(1, mean=2),
        lambda: mlece.Gaussian(mean=[1, 2], sd=[1, 2, 3]),
        lambda: mlece.Binomial(),
        lambda: mlece.Binomial(n=2.5),
        lambda: mlece.Uniform(lower=1, upper=1),
        lambda: mlece.Uniform(lower=[0, 2], upper=1),
        lambda: mlece.Categorical(p=[0.5, 0.6]),
        lambda: mlece.Categorical(p=[1.5, -0.5]),
        lambda: mlece.Categorical(p=[0.5, nan]),
        lambda: mlece.Categorical(p=0.5),
        lambda: mlece.Categorical(p=[0.5, 0.5], labels=("a", "b", "c")),
        lambda: mlece.Categorical(labels=("a", "a")),
    ],
)
def test_slots_that_make_no_sense(call: Callable[[], Any]) -> None:
    refused(call, errors.ParameterError)


@numeric_family
def test_a_question_to_a_model_with_a_free_slot(name: str) -> None:
    model = FAMILIES[name]
    for ask in (
        lambda: model.log_density([1.0]),
        lambda: model.sample(3),
        lambda: model.quantile(0.5),
        lambda: model.cdf(0.5),
        lambda: model.entropy(),
        lambda: model.mean if "mean" not in model.slots else model.sample(2),
    ):
        refused(ask, errors.FreeSlotError, model.free[0], "fit it first")


def test_models_are_frozen() -> None:
    model = mlece.Gaussian(mean=0, sd=1)
    with pytest.raises(AttributeError, match="immutable"):
        model.mean = 3
    with pytest.raises(ValueError, match="read-only"):
        model.slots["mean"][...] = 3


def test_inputs_are_never_changed() -> None:
    y, w = np.array([3.0, 1.0, 2.0]), np.array([1.0, 0.0, 2.0])
    for name in NUMERIC:
        data = good(name)
        before = data.copy()
        mlece.fit(FAMILIES[name], data, weights=np.ones(6))
        np.testing.assert_array_equal(data, before)
    mlece.fit(mlece.Laplace(), y, weights=w)
    assert (y.tolist(), w.tolist()) == ([3.0, 1.0, 2.0], [1.0, 0.0, 2.0])


REGIONS_AND_WEIGHTS = {
    "a region beyond the floats": (
        lambda: mlece.Truncated(mlece.Gaussian(0, 1), 1e200, 1e201),
        "gives a probability",
    ),
    "one of several laws": (
        lambda: mlece.Truncated(mlece.Gaussian([0.0, 1.0], 1), lower=1e170),
        "of probability 0",
    ),
    "outside the region, where the inner support moves": (
        lambda: mlece.fit(mlece.Truncated(mlece.GEV(), 0.2, 0.4), [0.25, 0.3, 0.9]),
        "the first 0.9 at position 2",
    ),
    "weights above 1": (
        lambda: mlece.Mixture(
            mlece.Poisson(1),
            mlece.Poisson(2),
            mlece.Poisson(3),
            **{"weight[1]": 0.7, "weight[2]": 0.6},
        ),
        "a sum of 1.3",
    ),
}


@pytest.mark.parametrize("name", REGIONS_AND_WEIGHTS)
def test_regions_without_mass_and_weights_without_rest(name: str) -> None:
    call, said = REGIONS_AND_WEIGHTS[name]
    kind = errors.SupportError if "position" in said else errors.ParameterError
    refused(call, kind, said)


def test_a_region_far_out_in_a_tail_is_no_error() -> None:
    # P(Y = 4000 | Y >= 4000) is 1 less the ratio of neighbours, 3/4001, and its square.
    law = mlece.Truncated(mlece.Poisson(3), lower=4000)
    ratio = 3 / 4001
    assert law.log_density(4000.0) == pytest.approx(
        -np.log1p(ratio * (1 + 3 / 4002 * (1 + 3 / 4003))), rel=1e-9
    )


TEXT_AMONG_NUMBERS = {
    "a list": [1.0, 2.0, "a", "b"],
    "objects": np.array([1, None, "a", "b"], dtype=object),
    "a Series": pd.Series([1.0, 2.0, "a", "b"]),
}


@pytest.mark.parametrize("kind", TEXT_AMONG_NUMBERS)
def test_text_among_numbers_is_found(kind: str) -> None:
    text = refused(
        lambda: mlece.fit(mlece.Gaussian(), TEXT_AMONG_NUMBERS[kind]),
        TypeError,
        "2 such values of 4, the first 'a' at position 2",
    )
    assert "Bernoulli() as y == 'a'" in text


@pytest.mark.parametrize(
    "data",
    [np.array([1j, 2.0]), np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]"), [1.0, 10**400]],
    ids=["complex", "dates", "an integer beyond the floats"],
)
def test_what_is_no_label_is_not_called_one(data: Any) -> None:
    text = refused(lambda: mlece.fit(mlece.Gaussian(), data), TypeError, "Convert them to numbers")
    assert "Categorical" not in text


def test_numbers_beyond_the_doubles_are_told_without_a_warning() -> None:
    data = np.array([np.longdouble("1e4000"), 1])
    refused(lambda: mlece.fit(mlece.Gaussian(), data), ValueError, "the first inf at position 0")


def test_an_unknown_treatment_of_missing_values() -> None:
    refused(
        lambda: mlece.fit(mlece.Gaussian(), [1.0, 2.0], missing="omit"),
        ValueError,
        "'omit'",
        "drop",
    )


def test_columns_of_one_name() -> None:
    frame = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    refused(lambda: mlece.fit(mlece.Gaussian(), "a", given=frame), ValueError, "different names")
    refused(lambda: mlece.fit(mlece.Gaussian(), frame), ValueError, "different names")


def test_a_level_that_is_no_number() -> None:
    fit = mlece.fit(mlece.Gaussian(), [1.0, 2.0, 4.0])
    refused(lambda: fit.interval(level="a"), ValueError, "confidence level", "'a'")


def test_a_batch_of_known_laws_is_not_one() -> None:
    truth = mlece.Exponential(rate=[1.0, 2.0])
    refused(lambda: mlece.fit(mlece.Gaussian(), truth), TypeError, "one known distribution", "(2,)")


def test_families_that_are_none() -> None:
    def density(y: Any, loc: Any) -> Any:
        return -0.5 * (y - loc) ** 2

    refused(lambda: mlece.family(support="real", loc=mlece.real)(density), TypeError, "a domain")
    refused(lambda: mlece.family()(lambda y: -y * y), ValueError, "a parameter", "none")

    class Unfinished(mlece.Model):
        loc = mlece.Param(mlece.real)

    refused(lambda: mlece.fit(Unfinished(), [1.0, 2.0]), ValueError, "a _log_density")
