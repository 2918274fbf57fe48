"""The published data sets: figures, provenance, and that they travel with the package."""

from __future__ import annotations

import dataclasses
import doctest
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pytest

from mlece import datasets
from mlece.datasets import catalogue, dataset
from mlece.datasets.dataset import Backend
from mlece.errors import MissingDependencyError, UnknownNameError

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "tests" / "reference"

every_set = pytest.mark.parametrize("name", datasets.names())

# name: (observations, rows, mean of the main column, its tolerance, where that mean is published)
PUBLISHED = {
    "old_faithful": (272, 272, 70.8971, 5e-5, "R, summary of faithful$waiting: 70.90"),
    "wolf_dice": (20_000, 36, 3.5983, 1e-12, "Jaynes 1979: 3.5983 for the white die"),
    "weldon_dice": (26_306, 13, 12 * 0.3377, 12 * 5e-5, "Pearson 1900: p = 0.3377"),
    "horse_kicks": (200, 5, 0.61, 1e-12, "Bortkiewicz 1898: 122 deaths in 200 corps-years"),
    "alpha_particles": (2_608, 15, 10_097 / 2_608, 1e-12, "Rutherford and Geiger 1910: 10,097"),
    "air_conditioning": (213, 213, 93.14, 5e-3, "Proschan 1963: all 13 planes pooled"),
    "speed_of_light": (100, 100, 299_852.4, 1e-9, "NIST Michelso: 299.8524"),
    "ground_beef": (254, 254, 73.6457, 5e-5, "fitdistrplus: mean of serving 73.65"),
    "endometrial": (79, 79, 30 / 79, 1e-12, "Heinze and Schemper 2002: 30 of high grade"),
    "public_schools": (50, 50, 373.26, 5e-3, "R, mean(PublicSchools$Expenditure, na.rm = TRUE)"),
    "affairs": (601, 601, 1.455907, 5e-7, "R, mean(Affairs$affairs)"),
    "articles": (915, 915, 1.692896, 5e-7, "R, mean(bioChemists$art)"),
    "lung": (227, 227, 306.2643, 5e-5, "R, mean of lung$time without its row 14"),
}


def reference_cases() -> dict[str, dict[str, Any]]:
    cases = json.loads((REFERENCE / "reference_fits.json").read_text(encoding="utf-8"))["cases"]
    return {case["id"]: case for case in cases}


def regressions() -> dict[str, dict[str, Any]]:
    cases = json.loads((REFERENCE / "regressions.json").read_text(encoding="utf-8"))["cases"]
    return {case["id"]: case for case in cases}


def weighted_mean(data: datasets.Dataset) -> float:
    return float(np.average(data.values, weights=data.counts))


def test_every_set_has_published_totals_to_meet() -> None:
    assert set(PUBLISHED) == set(datasets.names())


@every_set
def test_totals_and_mean(name: str) -> None:
    n, rows, mean, tolerance, _ = PUBLISHED[name]
    data = datasets.load(name)
    assert (data.n, data.rows) == (n, rows)
    assert weighted_mean(data) == pytest.approx(mean, abs=tolerance, rel=0)


@every_set
def test_provenance_is_complete(name: str) -> None:
    data = datasets.load(name)
    assert data.name == name
    assert all(text.strip() for text in (data.title, data.source, data.teaches))
    assert re.search(r"\((18|19|20)\d\d\)", data.source)  # a citation has its year
    assert set(data.units) == set(data.column_names)
    assert all(data.units.values())
    assert "\n" not in data.teaches


@every_set
def test_arrays_are_typed_aligned_and_read_only(name: str) -> None:
    data = datasets.load(name)
    arrays = [*data.columns.values(), *([] if data.counts is None else [data.counts])]
    for array in arrays:
        assert array.shape == (data.rows,)
        if array.dtype.kind == "U":
            assert all(array.tolist())
        else:
            assert array.dtype in (np.float64, np.int64)
            assert np.isfinite(array).all()
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    if data.counts is not None:
        assert data.counts.dtype == np.int64
        assert (data.counts >= 0).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "another"  # type: ignore[misc]


@every_set
def test_a_function_of_the_same_name_returns_the_set(name: str) -> None:
    function: Callable[[], datasets.Dataset] = getattr(datasets, name)
    assert function() is datasets.load(name)


@every_set
def test_margins_keep_the_total(name: str) -> None:
    data = datasets.load(name)
    for column in data.column_names:
        values, counts = data.margin(column)
        assert counts.sum() == data.n
        assert (values[1:] > values[:-1]).all()


@every_set
@pytest.mark.parametrize("backend", ["pandas", "polars"])
def test_frame(name: str, backend: Backend) -> None:
    module = pytest.importorskip(backend)
    data = datasets.load(name)
    frame = data.frame(backend)
    assert isinstance(frame, module.DataFrame)
    count = [] if data.counts is None else ["count"]
    assert list(frame.columns) == [*data.column_names, *count]
    for column in data.column_names:
        np.testing.assert_array_equal(frame[column].to_numpy(), data.columns[column])


def test_changing_a_frame_leaves_the_set_alone() -> None:
    data = datasets.old_faithful()
    frame = data.frame()
    frame.loc[0, "waiting"] = -1.0
    assert data.values[0] == 79.0
    assert data.frame().loc[0, "waiting"] == 79.0


@every_set
def test_repr_names_the_set_and_its_size(name: str) -> None:
    data = datasets.load(name)
    assert name in repr(data)
    assert f"n = {data.n}" in repr(data)


def test_unknown_names_give_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="old_faithful"):
        datasets.load("oldfaithful")
    with pytest.raises(UnknownNameError, match="waiting"):
        datasets.old_faithful().margin("wait")
    with pytest.raises(UnknownNameError, match="polars"):
        datasets.old_faithful().frame("polar")  # type: ignore[arg-type]


def test_a_missing_data_frame_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(*args: object, **kwargs: object) -> NoReturn:
        raise ModuleNotFoundError("No module named 'polars'")

    monkeypatch.setattr("narwhals.from_dict", not_installed)
    with pytest.raises(MissingDependencyError, match="pip install polars"):
        datasets.old_faithful().frame("polars")


# Published figures beyond the mean.


def test_old_faithful_is_the_version_of_r() -> None:
    data = datasets.old_faithful()
    eruptions, waiting = data.columns["eruptions"], data.columns["waiting"]
    # R 4.2: mean(faithful$eruptions), sd of both columns, cor(eruptions, waiting)
    assert eruptions.mean() == pytest.approx(3.487783, abs=5e-7)
    assert eruptions.std(ddof=1) == pytest.approx(1.141371, abs=5e-7)
    assert waiting.std(ddof=1) == pytest.approx(13.59497, abs=5e-6)
    assert np.corrcoef(eruptions, waiting)[0, 1] == pytest.approx(0.9008112, abs=5e-8)


def test_the_example_file_is_the_same_data() -> None:
    example = ROOT / "examples" / "data" / "old_faithful.csv"
    packaged = ROOT / "mlece" / "datasets" / "data" / "old_faithful.csv"
    assert example.read_bytes() == packaged.read_bytes()


def test_wolf_dice_have_the_published_margins() -> None:
    data = datasets.wolf_dice()
    # Czuber 1908, as in Jaynes 1979: faces one to six.
    assert data.margin("white")[1].tolist() == [3246, 3449, 2897, 2841, 3635, 3932]
    assert data.margin("red")[1].tolist() == [3407, 3631, 3176, 2916, 3448, 3422]
    white = data.margin("white")[1]
    # Jaynes 1979: chi-squared of the white die against a fair one is about 271.
    assert float(((white - data.n / 6) ** 2 / (data.n / 6)).sum()) == pytest.approx(271, abs=0.5)


def test_weldon_dice_have_the_published_chi_squared() -> None:
    data = datasets.weldon_dice()
    assert data.values.tolist() == list(range(13))
    # Pearson 1900 counts 106,602 fives and sixes among 315,672 dice.
    assert int(data.values @ data.counts) == 106_602
    assert 12 * data.n == 315_672


def test_horse_kicks_sum_to_the_published_deaths() -> None:
    data = datasets.horse_kicks()
    assert int(data.values @ data.counts) == 122


def test_alpha_particles_sum_to_the_published_total() -> None:
    data = datasets.alpha_particles()
    assert int(data.values @ data.counts) == 10_097
    values, counts = data.margin()
    assert counts[values >= 10].sum() == 16  # Feller 1968, table 3 of chapter VI


def test_air_conditioning_planes() -> None:
    data = datasets.air_conditioning()
    planes, counts = data.margin("plane")
    assert dict(zip(planes.tolist(), counts.tolist(), strict=True)) == {
        7907: 6,
        7908: 23,
        7909: 29,
        7910: 15,
        7911: 14,
        7912: 30,
        7913: 27,
        7914: 24,
        7915: 9,
        7916: 6,
        7917: 2,
        8044: 12,
        8045: 16,
    }
    # Data set aircondit of the R package boot is plane 8044, sorted.
    hours = data.values[data.columns["plane"] == 8044]
    assert np.sort(hours).tolist() == reference_cases()["aircondit-exp"]["data"]


def test_speed_of_light_is_michelso_and_morley() -> None:
    data = datasets.speed_of_light()
    nist = json.loads((REFERENCE / "nist_univariate.json").read_text(encoding="utf-8"))["Michelso"]
    thousands = np.array([float(text) for text in nist["data"]])
    np.testing.assert_allclose(data.values / 1000, thousands, rtol=1e-15)
    assert data.values.std(ddof=1) / 1000 == pytest.approx(
        float(nist["certified"]["sd"]), rel=1e-12
    )
    morley = reference_cases()["morley-norm"]["data"]
    np.testing.assert_array_equal(data.values - 299_000, morley)
    assert data.margin("experiment")[1].tolist() == [20] * 5


def test_ground_beef_is_groundbeef() -> None:
    data = datasets.ground_beef()
    assert data.values.tolist() == reference_cases()["groundbeef-gamma-uml"]["data"]
    assert data.margin()[0].size == 33


def test_endometrial_is_the_published_separation() -> None:
    data = datasets.endometrial().columns
    published = json.loads((REFERENCE / "separation.json").read_text(encoding="utf-8"))
    for name, values in published["endometrial"]["data"].items():
        assert data[name].tolist() == values


def test_public_schools_and_affairs_are_those_of_r() -> None:
    for name, value in (("public_schools", "expenditure"), ("affairs", "affairs")):
        published = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
        data = datasets.load(name)
        assert data.value == value
        for column in data.column_names:
            assert data.columns[column].tolist() == published[column]


def test_articles_are_biochemists() -> None:
    case = regressions()["art-glm-pois"]
    data = datasets.articles().columns
    assert data["articles"].tolist() == case["y"]
    design = np.column_stack(
        [
            np.ones(915),
            data["gender"] == "woman",
            data["married"] == "yes",
            data["children"],
            data["prestige"],
            data["mentor"],
        ]
    )
    # The prestige of the file was stored with 24 bits.
    np.testing.assert_allclose(design, case["X"], rtol=2**-24)


def test_lung_has_the_complete_cases_of_r() -> None:
    case = regressions()["lung-weibull"]
    data = datasets.lung().columns
    assert data["days"].tolist() == case["y"]
    assert data["died"].tolist() == case["censoring"]["event"]
    design = np.column_stack(
        [np.ones(227), data["age"], 1 + (data["sex"] == "female"), data["ecog"]]
    )
    np.testing.assert_array_equal(design, case["X"])


# Packaging.


@pytest.mark.parametrize("module", [catalogue, dataset], ids=lambda module: module.__name__)
def test_examples_in_the_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_installed_package_carries_its_data(tmp_path: Path) -> None:
    try:
        importlib.metadata.distribution("mlece")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("mlece is not installed here")
    code = (
        "from mlece import datasets\n"
        "print(*(f'{name}={datasets.load(name).n}' for name in datasets.names()))\n"
    )
    # Isolated, from an empty folder: the checkout is not on the path.
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {f"{name}={figures[0]}" for name, figures in PUBLISHED.items()}
    assert set(done.stdout.split()) == expected
