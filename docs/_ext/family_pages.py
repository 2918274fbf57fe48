"""A page for each registered family, written from its declaration when the site is built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mlece
from mlece.domain import Domain
from mlece.model import Model, registered
from mlece.testing import typical_family

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GROUPS = {
    "real_line": "The real line",
    "half_line": "The half line: waiting times and life times",
    "skewed": "The half line: sizes and passage times",
    "unit_interval": "An interval",
    "proportions": "The unit interval: proportions",
    "circle": "The circle: angles",
    "counts": "Counts",
    "finite": "Labels and two outcomes",
}
COLOURS = ("#0072B2", "#D55E00", "#009E73")
CLOSED = {
    "_maximise": "estimate",
    "_estimate": "estimate",
    "_score": "score",
    "_curvature": "curvature",
    "_log_cdf": "cdf",
    "_quantile": "quantile",
    "_entropy": "entropy",
    "_mean": "mean",
    "_variance": "variance",
    "_exact_interval": "exact intervals",
}


def write_pages(app: Sphinx) -> None:
    """Write families/generated/*.md with their plots."""
    folder = Path(app.srcdir) / "families" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    families = [c for c in registered().values() if c.__module__.startswith("mlece.families.")]
    for old in folder.iterdir():
        if old.stem not in {c.__name__ for c in families} | {"index"}:
            old.unlink()
    methods = {}
    for family in families:
        members = typical_family(family)
        fit, call = example(members[1])
        methods[family] = method(family, fit)
        draw(members, folder / f"{family.__name__}.png")
        write(folder / f"{family.__name__}.md", page(family, fit, call, methods[family]))
    write(folder / "index.md", index(methods))


def write(path: Path, text: str) -> None:
    """Write a file if its text has changed, so that an unchanged page is not built again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def index(methods: dict[type[Model], str]) -> str:
    """Return the list of families, one table for each kind of support."""
    families = list(methods)
    parts = [
        "# Families\n",
        "Every page is written from the declaration of its family: what is said here is what the "
        "code checks, draws and fits.\n",
    ]
    for module, title in grouped(families):
        parts.append(f"## {title}\n")
        parts.append("| Family | Parameters | Support | Fitted by |\n|---|---|---|---|")
        for c in (f for f in families if room(f) == module):
            slots = ", ".join(p.name for p in c.params)
            parts.append(
                f"| [{c.__name__}]({c.__name__}.md) | {slots} | {where(c.support)} | {methods[c]} |"
            )
        parts.append("")
    names = "\n".join(c.__name__ for m, _ in grouped(families) for c in families if room(c) == m)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{names}\n```\n")
    return "\n".join(parts)


def room(family: type[Model]) -> str:
    """Return the module of a family, without its package."""
    return family.__module__.rpartition(".")[2]


def grouped(families: list[type[Model]]) -> list[tuple[str, str]]:
    """Return modules with their titles, known ones first."""
    modules = dict.fromkeys([*GROUPS, *(room(c) for c in families)])
    present = {room(c) for c in families}
    return [(m, GROUPS.get(m, m.replace("_", " ").capitalize())) for m in modules if m in present]


def method(family: type[Model], fit: mlece.Fit) -> str:
    """Say how a family with every slot free was fitted."""
    if fit.solver == "profile":
        return f"root of the profile in {family.profile_over}"
    return {"newton": "Newton's method"}.get(fit.solver, fit.solver)


def page(family: type[Model], fit: mlece.Fit, call: str, how: str) -> str:
    """Return the page of one family."""
    name = family.__name__
    text = inspect.getdoc(family) or ""
    head = text.split("\nExamples\n")[0].split("\nParameters\n")[0].strip()
    intro = "\n".join(map(escaped, head.splitlines()))
    rows = "\n".join(
        f"| `{p.name}` | {f'${p.symbol}$' if p.symbol else ''} | {where(p.domain)} | {role(p)} | "
        f"{p.doc[:1].upper() + p.doc[1:]} |"
        for p in family.params
    )
    closed = [word for hook, word in CLOSED.items() if family.has(hook)]
    traits = [
        f"Support\n: {where(family.support)}",
        f"Fitted by\n: {how}",
        f"Bound of the certificate\n: {fit.certificate.bound} ({fit.certificate.scope})",
        f"In closed form\n: {', '.join(dict.fromkeys(closed))}. The rest is computed by "
        "quadrature, search or differences.",
    ]
    if family.affine:
        traits.append("Sufficient statistics\n: yes: a fit needs one pass over the data")
    if family.unit_carrier:
        traits.append(
            "Check without derivatives\n: at the optimum the in-sample cross-entropy equals the "
            "entropy of the fitted member"
        )
    irregular = [p.name for p in family.params if not p.regular]
    if irregular:
        traits.append(
            f"Not regular\n: {', '.join(irregular)} fixes an end of the support: intervals from "
            "the exact law, no sandwich"
        )
    estimates = "\n".join(f"# {line}" for line in printed(fit))
    return "\n".join(
        [
            f"# {name}\n",
            f"```{{eval-rst}}\n{intro}\n```\n",
            "| Parameter | Symbol | Domain | Under a change of units | What it is |",
            "|---|---|---|---|---|",
            f"{rows}\n",
            f"```{{image}} {name}.png\n:alt: Three typical members of {name}\n:width: 560px\n```\n",
            "\n\n".join(traits) + "\n",
            "## A fit\n",
            f"```python\nimport mlece\n\n{call}\n{estimates}\n```\n",
            f"Reference: {{class}}`mlece.{name}`.\n" if hasattr(mlece, name) else "",
        ]
    )


def escaped(line: str) -> str:
    """Return a line of a docstring in which the bars of |x| are no substitution marks."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else p.replace("|", r"\|") for p in parts)


def escape_formulas(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Do the same where autodoc reads docstrings."""
    lines[:] = [escaped(line) for line in lines]


def where(domain: Domain) -> str:
    """Return a domain in the words of the code, with the sign for infinity."""
    return str(domain).removeprefix("a number in ").replace("inf", "∞")


def role(param: Any) -> str:
    """Say how a parameter moves when the unit of the data changes."""
    if not param.estimable:
        return "known constant"
    return param.role or "unchanged"


def example(member: Model) -> tuple[mlece.Fit, str]:
    """Fit a family to a sample of one of its members; return the fit and the code."""
    family = type(member)
    known = {p.name: member.slots[p.name].item() for p in family.params if not p.estimable}
    settings = ", ".join(f"{k}={v:g}" for k, v in known.items())
    fit = mlece.fit(family(**known), member.sample(500, rng=1))
    call = (
        f"truth = mlece.{member!r}\n"
        f"fit = mlece.fit(mlece.{family.__name__}({settings}), truth.sample(500, rng=1))\n"
        "print(fit.model, fit.certificate.status, sep='\\n')"
    )
    return fit, call


def printed(fit: mlece.Fit) -> list[str]:
    """Return what the example prints."""
    return [str(fit.model), str(fit.certificate.status)]


def draw(members: list[Model], path: Path) -> None:
    """Draw the densities or masses of a few members over the range of nearly all mass."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [label(member) for member in members]
    rows = 1 if sum(map(len, names)) <= 75 else len(names)
    figure = Figure(figsize=(7, 2.8 + 0.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    categories = members[0].support.kind == "categories"
    top = []
    for k, (member, name, colour) in enumerate(zip(members, names, COLOURS, strict=False)):
        if member.support.discrete:
            x, y = masses(member, categories)
            width = 0.8 / len(members)
            ax.bar(x + (k - 1) * width, y, width, color=colour, label=name)
        else:
            x = grid(members)
            y = member.density(x)
            ax.plot(x, y, color=colour, linewidth=1.8, label=name)
            # A density may be infinite at an end: the picture is cut above its bulk.
            low, high = member.quantile(np.array([0.03, 0.97]))
            inner = np.linspace(float(low), float(high), 400)
            top.append(float(member.density(inner).max()))
    if top:
        ax.set_ylim(0, 1.12 * max(top))
    ax.set_xlabel("label" if categories else "y")
    ax.set_ylabel("probability" if members[0].support.discrete else "density")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if members[0].support.discrete:
        ax.xaxis.get_major_locator().set_params(integer=True)
    columns = len(names) if rows == 1 else 1
    figure.legend(frameon=False, fontsize="small", ncols=columns, loc="outside upper center")
    figure.savefig(path, dpi=160)


def label(member: Model) -> str:
    """Return the slots of a member in few digits."""
    parts = []
    for p in member.params:
        value = member.slots[p.name]
        shown = ", ".join(f"{v:.3g}" for v in np.ravel(value))
        parts.append(f"{p.name} = {shown if value.ndim == 0 else f'({shown})'}")
    return ", ".join(parts)


def grid(members: list[Model]) -> np.ndarray:
    """Return points over the range of all members; jumps at the ends of the support are shown."""
    ends = np.array([m.quantile(np.array([0.005, 0.985])) for m in members], dtype=float)
    low, high = ends[:, 0].min(), ends[:, 1].max()
    margin = 0.04 * (high - low)
    points = np.linspace(low - margin, high + margin, 1201)
    edges = [float(b) for m in members for b in m.bounds(m.theta) if np.isfinite(b)]
    near = [np.array([np.nextafter(e, -np.inf), e, np.nextafter(e, np.inf)]) for e in edges]
    inside = [e for e in np.concatenate([*near, []]) if points[0] <= e <= points[-1]]
    return np.sort(np.concatenate([points, inside]))


def masses(member: Model, categories: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that hold nearly all mass, with their probabilities."""
    if categories:
        p = np.asarray(member.slots["p"])
        return np.arange(p.size, dtype=float), p
    low, high = (float(q) for q in member.quantile(np.array([0.002, 0.99])))
    x = np.arange(low, high + 1)
    return x, member.density(x)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", escape_formulas)
    return {"version": mlece.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
