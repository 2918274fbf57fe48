"""The data sets that come with mlece, by name.

Adding one takes a CSV file in ``data/``, a table in ``catalogue.toml`` and a function here.
"""

from __future__ import annotations

import csv
import tomllib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlece.datasets.dataset import COUNT, Column, Dataset
from mlece.errors import unknown_name

_HERE = files("mlece.datasets")


@cache
def _catalogue() -> dict[str, Any]:
    """Return the parsed ``catalogue.toml``."""
    return tomllib.loads(_HERE.joinpath("catalogue.toml").read_text(encoding="utf-8"))


def _read_columns(name: str) -> dict[str, list[str]]:
    """Return the columns of a CSV file as text, by the names in its header."""
    text = _HERE.joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _array(text: list[str], dtype: str) -> Column:
    """Parse one column (dtype "str" for labels) and make it read-only."""
    array: Column = np.array(text, dtype=dtype)
    array.flags.writeable = False
    return array


def _counts(text: list[str]) -> NDArray[np.int64]:
    """Parse the counts of a table and make them read-only."""
    counts = np.array(text, dtype=np.int64)
    counts.flags.writeable = False
    return counts


def names() -> tuple[str, ...]:
    """Return the names of all data sets.

    Examples
    --------
    >>> from mlece import datasets
    >>> "old_faithful" in datasets.names()
    True
    """
    return tuple(_catalogue())


@cache
def load(name: str) -> Dataset:
    """Return the data set of this name.

    Parameters
    ----------
    name : str
        One of `names`.

    Raises
    ------
    UnknownNameError
        If there is no such data set; the message gives the nearest names.

    Examples
    --------
    >>> from mlece import datasets
    >>> datasets.load("alpha_particles").n
    2608
    """
    if name not in _catalogue():
        raise unknown_name("data set", name, _catalogue())
    entry = _catalogue()[name]
    described = entry["columns"]
    text = _read_columns(name)
    return Dataset(
        name=name,
        title=entry["title"],
        columns=MappingProxyType(
            {column: _array(text[column], described[column]["type"]) for column in described}
        ),
        value=entry["value"],
        counts=_counts(text[COUNT]) if COUNT in text else None,
        units=MappingProxyType({column: described[column]["unit"] for column in described}),
        source=entry["source"],
        teaches=entry["teaches"],
    )


def old_faithful() -> Dataset:
    """Eruptions of the Old Faithful geyser: duration, and the wait for the next (Härdle 1991).

    Examples
    --------
    >>> from mlece import datasets
    >>> geyser = datasets.old_faithful()
    >>> geyser.n, geyser.column_names
    (272, ('eruptions', 'waiting'))
    >>> round(float(geyser.columns["waiting"].mean()), 4)
    70.8971
    """
    return load("old_faithful")


def wolf_dice() -> Dataset:
    """20,000 throws of a white and a red die, as a table of the 36 outcomes (Czuber 1908).

    Examples
    --------
    >>> from mlece import datasets
    >>> faces, counts = datasets.wolf_dice().margin("white")
    >>> counts.tolist()
    [3246, 3449, 2897, 2841, 3635, 3932]
    >>> float(faces @ counts / counts.sum())
    3.5983
    """
    return load("wolf_dice")


def weldon_dice() -> Dataset:
    """26,306 throws of twelve dice: how many show a five or a six (Pearson 1900).

    Examples
    --------
    >>> from mlece import datasets
    >>> throws = datasets.weldon_dice()
    >>> throws.n
    26306
    >>> round(float(throws.values @ throws.counts / throws.n / 12), 4)
    0.3377
    """
    return load("weldon_dice")


def horse_kicks() -> Dataset:
    """Deaths by horse kick in ten Prussian army corps over twenty years (Bortkiewicz 1898).

    Examples
    --------
    >>> from mlece import datasets
    >>> kicks = datasets.horse_kicks()
    >>> float(kicks.values @ kicks.counts / kicks.n)
    0.61
    """
    return load("horse_kicks")


def alpha_particles() -> Dataset:
    """Alpha particles counted in 2,608 intervals of 7.5 seconds (Rutherford and Geiger 1910).

    Examples
    --------
    >>> from mlece import datasets
    >>> counted = datasets.alpha_particles()
    >>> round(float(counted.values @ counted.counts / counted.n), 4)
    3.8715
    """
    return load("alpha_particles")


def air_conditioning() -> Dataset:
    """Hours between failures of the air conditioning in 13 aircraft (Proschan 1963).

    Within a plane the intervals are in order of time. Some neighbours are separated by a major
    overhaul, which the table does not mark.

    Examples
    --------
    >>> from mlece import datasets
    >>> failures = datasets.air_conditioning()
    >>> hours = failures.values[failures.columns["plane"] == 8044]
    >>> hours.size, round(float(hours.mean()), 2)
    (12, 108.08)
    """
    return load("air_conditioning")


def speed_of_light() -> Dataset:
    """100 measurements of the speed of light in air, 1879, in km/s (Michelson 1880).

    Examples
    --------
    >>> from mlece import datasets
    >>> float(datasets.speed_of_light().values.mean())
    299852.4
    """
    return load("speed_of_light")


def ground_beef() -> Dataset:
    """Servings of ground beef eaten by young children (Delignette-Muller and Cornu 2008).

    Examples
    --------
    >>> from mlece import datasets
    >>> servings = datasets.ground_beef()
    >>> servings.n, round(float(servings.values.mean()), 3)
    (254, 73.646)
    """
    return load("ground_beef")


def endometrial() -> Dataset:
    """Histology of endometrial cancer in 79 patients, separated by a covariate (Heinze and Schemper 2002).

    Examples
    --------
    >>> from mlece import datasets
    >>> patients = datasets.endometrial().columns
    >>> patients["HG"][patients["NV"] == 1].tolist()
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    return load("endometrial")


def public_schools() -> Dataset:
    """Expenditure on public schools and income by state, 1979 (Greene 1993).

    Examples
    --------
    >>> from mlece import datasets
    >>> states = datasets.public_schools()
    >>> str(states.columns["state"][states.columns["income"].argmax()])
    'Alaska'
    """
    return load("public_schools")


def affairs() -> Dataset:
    """Extramarital affairs of 601 readers of a magazine in the past year (Fair 1978).

    Examples
    --------
    >>> from mlece import datasets
    >>> had = datasets.affairs().values > 0
    >>> int(had.sum()), had.size
    (150, 601)
    """
    return load("affairs")


def articles() -> Dataset:
    """Articles of 915 doctoral students of biochemistry (Long 1990).

    Examples
    --------
    >>> from mlece import datasets
    >>> y = datasets.articles().values
    >>> round(float(y.mean()), 4), round(float(y.var(ddof=1)), 4)
    (1.6929, 3.7097)
    """
    return load("articles")


def lung() -> Dataset:
    """Survival of 227 patients with advanced lung cancer, 63 of them censored (Loprinzi et al. 1994).

    Examples
    --------
    >>> from mlece import datasets
    >>> patients = datasets.lung()
    >>> patients.n, int(patients.columns["died"].sum())
    (227, 164)
    """
    return load("lung")
