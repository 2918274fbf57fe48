"""Laws written as text or as tables: ``gamma(shape=2, rate=1)``, ``{family = "gamma", shape = 2}``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from mlece import combinators, errors
from mlece.registry import model_by_name, registry_name

_COMBINATORS = {
    registry_name(name): getattr(combinators, name)
    for name in combinators.__all__
    if name not in ("family", "from_scipy")
}
FORM = "name(parameter=value, ...), such as gamma(shape=2, rate=1)"


def read_law(law: Any) -> Any:
    """Return the model that a text or a table describes, and anything else as it is.

    Parameters
    ----------
    law : str, mapping or object
        A registered name; a name with values in brackets, positions or names; a combinator of such
        laws, ``truncated(gaussian(), lower=0)``; or a table with the key ``family`` and values.

    Raises
    ------
    UnknownNameError
        For a name that is not registered.
    DataError
        For text of another form.

    Examples
    --------
    >>> from mlece.studies.naming import read_law
    >>> read_law("gamma(shape=2, rate=1)")
    Gamma(shape=2, rate=1)
    >>> read_law({"family": "gaussian", "sd": 1})
    Gaussian(sd=1)
    """
    if isinstance(law, Mapping):
        slots = dict(law)
        if not isinstance(slots.get("family"), str):
            raise errors.DataError(
                errors.message('a table with the key family, as in {family = "gamma"}', repr(law))
            )
        return _made(slots.pop("family"), [], slots)
    if not isinstance(law, str):
        return law
    if "(" not in law:
        return _made(law, [], {})
    try:
        tree = ast.parse(law.strip(), mode="eval").body
    except SyntaxError:
        raise _malformed(law) from None
    return _value(tree, law)


def _value(node: ast.expr, text: str) -> Any:
    """Return what an expression stands for: a law, or a literal."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        slots: dict[str, Any] = {}
        for keyword in node.keywords:
            value = _value(keyword.value, text)
            # Names of slots that are no Python names: mixture(..., **{"weight[1]": 0.5}).
            slots |= value if keyword.arg is None else {keyword.arg: value}
        return _made(node.func.id, [_value(a, text) for a in node.args], slots)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _malformed(text) from None


def _made(name: str, values: list[Any], slots: dict[str, Any]) -> Any:
    call = _COMBINATORS.get(registry_name(name)) or model_by_name(name)
    try:
        return call(*values, **slots)
    except TypeError as error:
        if isinstance(error, errors.MleceError):
            raise
        raise errors.DataError(
            errors.message(f"the arguments of {call.__name__}", str(error))
        ) from None


def _malformed(text: str) -> errors.DataError:
    return errors.DataError(errors.message(f"a law as {FORM}", repr(text)))
