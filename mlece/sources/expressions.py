"""Expressions in columns: checked before anything is evaluated, with errors that show the place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import numpy as np
from formulaic.transforms import ContrastsRegistry
from formulaic.utils.code import sanitize_variable_names

from mlece import errors

# Elementwise functions: the value at a row must not depend on the other rows, or new data would be
# treated otherwise than those of the fit. Those of formulaic with a state remember that of the fit.
ELEMENTWISE = (
    *("log", "log10", "log2", "log1p", "exp", "exp2", "expm1", "sqrt", "cbrt", "power"),
    *("abs", "sign", "floor", "ceil", "minimum", "maximum", "where", "clip"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
)
STATEFUL = ("bs", "cc", "cr", "cs", "center", "poly", "scale", "standardize", "I", "Q", "contr")
CODINGS = ("Treatment", "Poly", "Sum", "Helmert", "Diff")
_KNOWN = (*ELEMENTWISE, *STATEFUL, *CODINGS, "C")
_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.keyword,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Attribute,
    ast.Load,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
)


def mentions(expression: str, name: str) -> bool:
    """Tell whether an expression holds a name as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", expression) is not None


def caret(text: str, at: int) -> str:
    """Return a formula with a caret below one of its characters."""
    return f":\n    {text}\n    {' ' * at}^"


def tilde(text: str) -> int | None:
    """Return the position of the tilde outside of quotes and brackets, None if there is none."""
    depth, quote = 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "~" and depth <= 0:
            return i
    return None


def columns_of(expression: str, names: Iterable[str], text: str | None = None) -> set[str]:
    """Return the columns that an expression needs; refuse whatever is no elementwise function.

    Raises
    ------
    ParameterError
        For what no formula may hold: attributes, subscripts, functions of the whole column.
    UnknownNameError
        For a name that is neither a column nor a function.
    """
    names = tuple(names)
    text = expression if text is None else text
    aliases: dict[str, str] = {}
    try:
        tree = ast.parse(sanitize_variable_names(expression, {}, aliases), mode="eval")
    except SyntaxError as error:
        at = max(text.find(expression), 0) + (error.offset or 1) - 1
        raise errors.ParameterError(
            errors.message("an expression in columns", repr(text), f"{error.msg}{caret(text, at)}")
        ) from None
    found: set[str] = set()
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    roots = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise _refused(ast.unparse(node), text)
        if isinstance(node, ast.Attribute):
            _check_attribute(node, text)
        elif isinstance(node, ast.Name):
            name = aliases.get(node.id, node.id)
            if id(node) in called:
                _check_function(name, names, text)
                found |= _quoted(called[id(node)], name, names)
            elif id(node) not in roots and name not in CODINGS:
                if name not in names:
                    raise errors.unknown_name("column", name, names)
                found.add(name)
    clash = found & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) in called}
    if clash:
        raise errors.ParameterError(
            errors.message(
                "functions and columns of different names",
                f"{clash.pop()!r} as both in {expression!r}",
                "Rename the column",
            )
        )
    return found


def _check_attribute(node: ast.Attribute, text: str) -> None:
    """Let pass elementwise functions and constants of numpy, and the codings in ``contr``."""
    root = node.value.id if isinstance(node.value, ast.Name) else None
    inside = getattr(np, node.attr, None) if root == "np" else None
    elementwise = isinstance(inside, np.ufunc | float) or node.attr in ("where", "clip", "round")
    if root == "contr":
        codings = [name for name in vars(ContrastsRegistry) if not name.startswith("_")]
        if node.attr not in codings:
            raise errors.unknown_name("coding of levels", node.attr, codings)
    elif root != "np" or not elementwise:
        raise _refused(ast.unparse(node), text)


def _check_function(name: str, names: tuple[str, ...], text: str) -> None:
    if name not in _KNOWN:
        if name == "offset":
            raise _refused(f"{name}() inside an expression", text)
        raise errors.unknown_name("function in formulas", name, _KNOWN)


def _quoted(node: ast.Call, name: str, names: tuple[str, ...]) -> set[str]:
    """Return the column that Q("name") stands for."""
    if name != "Q" or not node.args or not isinstance(node.args[0], ast.Constant):
        return set()
    column = str(node.args[0].value)
    if column not in names:
        raise errors.unknown_name("column", column, names)
    return {column}


def _refused(what: str, text: str) -> errors.ParameterError:
    at = text.find(what)
    return errors.ParameterError(
        errors.message(
            "columns, numbers and elementwise functions in a formula",
            f"{what!r}{'' if at >= 0 else f' in {text!r}'}",
            "Functions of the whole column that remember the fit are center, scale, poly, bs, cr and "
            f"cc; make a column of anything else{caret(text, at) if at >= 0 else ''}",
        )
    )
