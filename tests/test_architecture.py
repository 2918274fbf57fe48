"""The floors of the design, read off the imports: a file imports from its own floor or below."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlece
from mlece.domain import Domain

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlece"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "units", "math", "numerics", "quantities", "__version__"),
    ("domain", "links", "param", "predictor", "arrays", "dataframes", "randomness"),
    ("limits", "moments", "model", "slots", "design", "registry"),
    ("families", "combinators"),
    ("sample", "sources"),
    ("likelihood", "solvers", "certificate"),
    ("fits", "regression"),
    ("refits", "profiling", "inference"),
    ("laws", "information", "losses", "entropies", "candidates", "diagnostics"),
    ("comparisons", "studies"),
    (
        "plot",
        "reports",
        "sklearn",
        "cli",
        "datasets",
        "reference",
        "testing",
        "__main__",
    ),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Lines; a file beyond 400 is a question, one beyond 500 two files, with the exceptions below.
LONGEST = 500
LONGEST_OF = {
    "families": 800,  # a section for each family, and every section alike
    "model": 800,  # one public class: its hooks and its final methods
}

# Methods that hand a question to the room that answers it: (file, function, room above).
DELEGATIONS = {
    ("model", "log_probability_hook", "sources"),
    ("model", "quantile", "sources"),
    ("model", "entropy", "information"),
    ("model", "to_scipy", "combinators"),
    ("model", "_moment", "information"),
    ("registry", "registered", "families"),
    ("combinators", "start_hook", "solvers"),
    ("fits", "framed_covariance", "refits"),
    ("fits", "_simplex_covariance", "refits"),
    ("fits", "interval", "inference"),
    ("fits", "functional", "inference"),
    ("fits", "profile", "inference"),
    ("inference", "plot", "plot"),
    ("fits", "gap", "diagnostics"),
    ("fits", "gap", "diagnostics"),
    ("fits", "ledger", "diagnostics"),
    ("fits", "residuals", "diagnostics"),
    ("fits", "plot", "plot"),
    ("regression", "plot", "plot"),
    ("regression", "__str__", "reports"),
    ("regression", "influence", "diagnostics"),
    ("regression", "test", "diagnostics"),
    ("regression", "terms", "diagnostics"),
    ("fits", "summary", "reports"),
    ("fits", "tidy", "reports"),
    ("fits", "glance", "reports"),
    ("fits", "augment", "reports"),
    ("comparisons", "table", "reports"),
    ("comparisons", "plot", "plot"),
    ("diagnostics", "plot", "plot"),
    ("entropies", "plot", "plot"),
    ("studies", "study_table", "reports"),
    ("studies", "_shares", "reports"),
    ("studies", "_ledger", "reports"),
    ("studies", "plot", "plot"),
    ("diagnostics", "text", "reports"),
}
# `import mlece` reaches for these only where they are used.
LATE = ("scipy.stats", "pandas", "polars", "matplotlib", "formulaic", "rich", "narwhals", "pyarrow")

FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def guarded(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield (enclosing function, mlece room), leaving out what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and guarded(child):
            continue
        inside = child.name if isinstance(child, ast.FunctionDef) else where
        if isinstance(child, ast.ImportFrom) and child.module and child.level == 0:
            parts = child.module.split(".")
            if parts[0] == "mlece":
                names = [parts[1]] if len(parts) > 1 else [a.name for a in child.names]
                yield from ((inside, name) for name in names)
        elif isinstance(child, ast.Import):
            for alias in child.names:
                parts = alias.name.split(".")
                if parts[0] == "mlece":
                    yield inside, parts[1] if len(parts) > 1 else "mlece"
        yield from imports(child, inside)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


every_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)) if isinstance(p, Path) else ""
)


@every_file
def test_every_file_has_a_floor(path: Path) -> None:
    assert room(path) in FLOOR


@every_file
def test_imports_point_downwards(path: Path) -> None:
    own = FLOOR.get(room(path), -1)
    upwards = {
        (room(path), function, target)
        for function, target in imports(tree(path))
        if FLOOR.get(target, len(FLOORS)) > own
    }
    assert upwards <= DELEGATIONS


def test_every_delegation_is_in_use() -> None:
    found = {
        (room(path), function, target) for path in FILES for function, target in imports(tree(path))
    }
    assert found >= DELEGATIONS


@every_file
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_OF.get(room(path), LONGEST)


@every_file
def test_imports_stand_on_their_own(path: Path) -> None:
    # No relative imports, so that the floors can be read from the text.
    levels = [n.level for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom)]
    assert not any(levels)


@every_file
def test_no_prints(path: Path) -> None:
    nodes = ast.walk(tree(path))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & ({"eval", "exec"} if room(path) == "cli" else {"print", "eval", "exec"})


def test_import_is_light() -> None:
    code = "import sys, mlece; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(out.stdout.split())
    assert "mlece" in loaded
    assert not loaded & set(LATE)


def test_a_fit_is_light_too() -> None:
    code = "import sys, mlece; mlece.fit('gamma', [1.0, 2.0, 4.0]).interval(); print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(out.stdout.split()) & set(LATE)


def test_compare_is_the_function_whatever_is_imported_first() -> None:
    # A module of the same name would take its place among the attributes of the package.
    public = {"mlece.compare", "mlece.gap", "mlece.ledger", "mlece.entropy", "mlece.fit"}
    public |= {"mlece.study"}
    assert not {f"mlece.{path.stem}" for path in FILES if path.parent == PACKAGE} & public
    code = (
        "import mlece.comparisons.comparison, mlece.cli, mlece; "
        "found = mlece.compare(['poisson'], [0, 1, 1, 2, 0, 3], replicates=19); print(found.kind)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.strip() == "counts"


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "api" / "index.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", text, flags=re.MULTILINE))
    domains = {name for name in mlece.__all__ if isinstance(getattr(mlece, name), Domain)}
    # The errors and the data sets have a section each, with what their modules hold.
    assert set(mlece.__all__) - domains - {"MleceError", "datasets"} == listed & set(mlece.__all__)
    assert domains <= set(re.findall(r"``(\w+)``", text))
    assert "automodule:: mlece.errors" in text
    assert {f"datasets.{name}" for name in mlece.datasets.names()} <= set(
        re.findall(r"^   (datasets\.\w+)$", text, flags=re.MULTILINE)
    )


@pytest.mark.slow
def test_names_of_tests_are_the_same_in_every_process() -> None:
    # Test runs in parallel compare them; an address or the order of a set would differ.
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "tests"]
    found = []
    for seed in ("1", "2"):
        out = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        found.append([line for line in out.stdout.splitlines() if "::" in line])
    assert found[0] == found[1]
