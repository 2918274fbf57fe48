"""A page for each registered family, written from its declaration when the site is built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mlece
from mlece.domain import Domain
from mlece.model import Model
from mlece.registry import registered
from mlece.testing import typical_family

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The modules of a group, and what the group is called.
GROUPS = {
    ("real_line", "symmetric"): "The real line",
    ("asymmetric", "skew_tails"): "The real line: skewness and tails",
    ("half_line", "lifetimes"): "The half line: waiting times and life times",
    ("skewed", "magnitudes", "boxcox"): "The half line: sizes, magnitudes and passage times",
    ("burr",): "The half line: power tails",
    ("extremes",): "Extremes and excesses",
    ("transformed",): "Laws made by a change of variables",
    ("unit_interval", "proportions"): "An interval and proportions",
    ("circle",): "The circle: angles",
    ("counts", "counts_mixed", "counts_dispersed", "counts_tailed"): "Counts",
    ("finite", "ordinal"): "Labels and two outcomes",
    ("multivariate",): "Vectors",
    ("means",): "Told by the mean, for regressions",
}
# Families of vectors: where an observation lies, and code that draws a sample.
VECTORS = {
    "Dirichlet": (
        "d positive parts of 1",
        "truth = mlece.Dirichlet(alpha=[2, 3, 5])\ny = truth.sample(500, rng=1)",
    ),
    "DirichletMultinomial": (
        "d counts",
        "rng = np.random.default_rng(1)\n"
        "y = rng.multinomial(20, rng.dirichlet([2, 3, 5], size=500))",
    ),
    "Multinomial": (
        "d counts",
        "y = np.random.default_rng(1).multinomial(20, [0.2, 0.3, 0.5], size=500)",
    ),
    "MultivariateGaussian": (
        "d real numbers",
        "truth = mlece.MultivariateGaussian(\n    mean=[0, 1], covariance=[[2, 1], [1, 3]]\n)\n"
        "y = truth.sample(500, rng=1)",
    ),
    "MultivariateT": (
        "d real numbers",
        "truth = mlece.MultivariateT(\n    df=4, loc=[0, 1], scale=[[2, 1], [1, 3]]\n)\n"
        "y = truth.sample(500, rng=1)",
    ),
}
COLOURS = ("#0072B2", "#D55E00", "#009E73")
MOMENTS = ("_mean", "_variance")
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
    known = registered(vectors=True).values()
    families = [c for c in known if c.__name__ in mlece.families.__all__]
    for old in folder.iterdir():
        if old.stem not in {c.__name__ for c in families} | {"index"}:
            old.unlink()
    methods = {}
    for family in families:
        if family.__name__ in VECTORS:
            fit, call = vector_example(family)
        else:
            members = typical_family(family)
            fit, call = example(members[1])
            draw(members, folder / f"{family.__name__}.png")
        methods[family] = method(family, fit)
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
    groups = grouped(families)
    for title, members in groups:
        parts.append(f"## {title}\n")
        parts.append("| Family | Parameters | Support | Fitted by |\n|---|---|---|---|")
        for c in members:
            slots = ", ".join(p.name for p in c.params)
            parts.append(
                f"| [{c.__name__}]({c.__name__}.md) | {slots} | {place(c)} | {methods[c]} |"
            )
        parts.append("")
    names = "\n".join(c.__name__ for _, members in groups for c in members)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{names}\n```\n")
    return "\n".join(parts)


def room(family: type[Model]) -> str:
    """Return the module of a family, without its package."""
    return family.__module__.rpartition(".")[2]


def grouped(families: list[type[Model]]) -> list[tuple[str, list[type[Model]]]]:
    """Return titles with their families, known groups first."""
    placed = {m for modules in GROUPS for m in modules}
    others = dict.fromkeys(room(c) for c in families if room(c) not in placed)
    titles = {**GROUPS, **{(m,): m.replace("_", " ").capitalize() for m in others}}
    found = [(t, [c for c in families if room(c) in modules]) for modules, t in titles.items()]
    return [(title, members) for title, members in found if members]


def method(family: type[Model], fit: mlece.Fit) -> str:
    """Say how a family with every slot free was fitted."""
    if fit.solver == "profile":
        return f"root of the profile in {family.profile_over}"
    return {"newton": "Newton's method"}.get(fit.solver, fit.solver)


def place(family: type[Model]) -> str:
    """Say where an observation lies."""
    if family.__name__ in VECTORS:
        return VECTORS[family.__name__][0]
    words = where(family.support)
    words = {"a finite real number": "the real line", "integers": "the integers"}.get(words, words)
    ends = family.has("_bounds") and family.support.kind != "categories"
    return f"{words}, between ends that depend on the parameters" if ends else words


def page(family: type[Model], fit: mlece.Fit, call: str, how: str) -> str:
    """Return the page of one family."""
    name = family.__name__
    text = inspect.getdoc(family) or ""
    head = text.split("\nExamples\n")[0].split("\nParameters\n")[0].strip()
    # A heading within a docstring is one of its page only in the reference.
    head = re.sub(r"^(\w+)\n-+\n", r".. rubric:: \1\n\n", head, flags=re.MULTILINE)
    intro = "\n".join(map(escaped, head.splitlines()))
    rows = "\n".join(
        f"| `{p.name}` | {f'${p.symbol}$' if p.symbol else ''} | {values(p)} | {role(p)} | "
        f"{p.doc[:1].upper() + p.doc[1:]} |"
        for p in family.params
    )
    closed = [
        word
        for hook, word in CLOSED.items()
        # The moments of a law without any are no closed forms.
        if family.has(hook) and (hook not in MOMENTS or np.isfinite(getattr(fit.model, word)))
    ]
    traits = [
        f"Support\n: {place(family)}",
        f"Fitted by\n: {how}",
        f"Bound of the certificate\n: {fit.certificate.bound} ({fit.certificate.scope})",
        f"In closed form\n: {', '.join(dict.fromkeys(closed))}. The rest is computed by "
        "quadrature, search or differences.",
    ]
    if not closed:
        traits.pop()
    runs = [str(limit).replace(": the limit is ", ": ") for limit in fit.family.limit_families]
    if runs:
        traits.append(f"Limits that are met\n: {'; '.join(runs)}")
    if family.affine:
        traits.append("Sufficient statistics\n: yes: a fit needs one pass over the data")
    if family.unit_carrier:
        traits.append(
            "Check without derivatives\n: at the optimum the in-sample cross-entropy equals the "
            "entropy of the fitted member"
        )
    irregular = [p.name for p in family.params if not p.regular]
    if irregular:
        plural = "fix the ends" if len(irregular) > 1 else "fixes an end"
        traits.append(
            f"Not regular\n: {' and '.join(irregular)} {plural} of the support: intervals from the "
            "exact law, no sandwich"
        )
    estimates = "\n".join(f"# {line}" for line in printed(fit))
    return "\n".join(
        [
            f"# {name}\n",
            f"```{{eval-rst}}\n{intro}\n```\n",
            "| Parameter | Symbol | Domain | Under a change of units | What it is |",
            "|---|---|---|---|---|",
            f"{rows}\n",
            "" if name in VECTORS else picture(name),
            "\n\n".join(traits) + "\n",
            "## A fit\n",
            f"```python\n{imports(call)}\n\n{call}\n{estimates}\n```\n",
            f"Reference: {{class}}`mlece.{name}`.\n" if hasattr(mlece, name) else "",
        ]
    )


def picture(name: str) -> str:
    """Return the directive for the picture of a family."""
    return f"```{{image}} {name}.png\n:alt: Three typical members of {name}\n:width: 560px\n```\n"


def imports(call: str) -> str:
    """Return the imports that a piece of code needs."""
    return "import mlece\nimport numpy as np" if "np." in call else "import mlece"


def escaped(line: str) -> str:
    """Return a line of a docstring in which the bars of |x| are no substitution marks."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(`[^`]*`)", line)
    # An underscore before the bar, as in I_|y|, is no reference either.
    plain = (p if p.startswith("`") else p.replace("_|", r"\_|").replace("|", r"\|") for p in parts)
    return "".join(plain)


def escape_formulas(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Do the same where autodoc reads docstrings."""
    lines[:] = [escaped(line) for line in lines]


def where(domain: Domain) -> str:
    """Return a domain in the words of the code, with the sign for infinity."""
    return str(domain).removeprefix("a number in ").replace("inf", "∞").replace("-∞", "−∞")


def values(param: Any) -> str:
    """Say what a parameter may be: a number, a vector of such, or a matrix."""
    words = {1: f"a vector; each {where(param.domain)}", 2: "symmetric, positive definite"}
    return words.get(getattr(param, "rank", 0), where(param.domain))


def role(param: Any) -> str:
    """Say how a parameter moves when the unit of the data changes."""
    if not param.estimable:
        return "known constant"
    if getattr(param, "rank", 0) and param.domain == mlece.real:
        return "with the data"
    return param.role or "unchanged"


def example(member: Model) -> tuple[mlece.Fit, str]:
    """Fit a family to a sample of one of its members; return the fit and the code."""
    family = type(member)
    known = {p.name: member.slots[p.name].item() for p in family.params if not p.estimable}
    settings = ", ".join(f"{k}={v:g}" for k, v in known.items())
    fit = mlece.fit(family(**known), member.sample(500, rng=1))
    call = (
        f"truth = mlece.{spelled(member)}\n"
        f"fit = mlece.fit(mlece.{family.__name__}({settings}), truth.sample(500, rng=1))\n"
        "print(fit.model, fit.certificate.status, sep='\\n')"
    )
    return fit, call


def spelled(member: Model) -> str:
    """Return the code of a member; numbers that labels have one by one are written as an array."""
    each = [p.name for p in type(member).params if p.open]
    arrays = ", ".join(f"{name}={getattr(member, name).tolist()}" for name in each)
    return f"{type(member).__name__}({arrays})" if each else repr(member)


def vector_example(family: type[Model]) -> tuple[mlece.Fit, str]:
    """Fit a family of vectors to a sample; return the fit and the code."""
    names: dict[str, Any] = {"mlece": mlece, "np": np}
    call = (
        f"{VECTORS[family.__name__][1]}\nfit = mlece.fit(mlece.{family.__name__}(), y)\n"
        "print(fit.model, fit.certificate.status, sep='\\n')"
    )
    exec(call.rpartition("\n")[0], names)  # the code that the page shows
    return names["fit"], call


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


def reach(member: Model, tails: tuple[float, float]) -> tuple[float, float]:
    """Return the range to draw: up to two quantiles, less far where a tail is heavy.

    The curve of a heavy tail has nothing to show beyond three times the distance of an outer decile.
    """
    low, bottom, middle, top, high = np.ravel(member.quantile([tails[0], 0.1, 0.5, 0.9, tails[1]]))
    return (
        float(max(low, middle - 3 * (middle - bottom))),
        float(min(high, middle + 3 * (top - middle))),
    )


def grid(members: list[Model]) -> np.ndarray:
    """Return points over the range of all members; jumps at the ends of the support are shown."""
    lows, highs = zip(*(reach(m, (0.005, 0.985)) for m in members), strict=True)
    low, high = min(lows), max(highs)
    margin = 0.04 * (high - low)
    points = np.linspace(low - margin, high + margin, 1201)
    edges = [float(b) for m in members for b in m.bounds(m.theta) if np.isfinite(b)]
    near = [np.array([np.nextafter(e, -np.inf), e, np.nextafter(e, np.inf)]) for e in edges]
    inside = [e for e in np.concatenate([*near, []]) if points[0] <= e <= points[-1]]
    return np.sort(np.concatenate([points, inside]))


def masses(member: Model, categories: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that hold nearly all mass, with their probabilities."""
    if categories:
        p = np.ravel(member.masses())
        return np.arange(p.size, dtype=float), p
    low, high = (float(q) for q in member.quantile(np.array([0.002, 0.99])))
    x = np.arange(low, high + 1)
    return x, member.density(x)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", escape_formulas)
    return {"version": mlece.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
