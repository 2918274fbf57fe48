"""Configuration of the documentation: python -m sphinx -W -b html docs docs/_build/html."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE.parent))
# The kernels that run the pages import the package of this checkout.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")])
)

import mlece  # noqa: E402

project = "mlece"
author = "mlece developers"
copyright = "mlece developers"
version = release = mlece.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "family_pages",
    "mathml",
]
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
# The first suffix is also that of the generated reference pages.
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 2
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True
# Tables that a cell makes are read like those of the pages.
nb_render_markdown_format = "myst"
nb_execution_excludepatterns = ["examples.md", "families/**"]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = f"mlece {version}"
html_theme_options = {
    "navigation_depth": 2,
    "show_toc_level": 2,
    "navbar_align": "left",
    "header_links_before_dropdown": 9,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {
    page: []
    for page in (
        "idea",
        "proof",
        "floor",
        "standard_errors",
        "misspecification",
        "regression",
        "incomplete",
        "combinators",
        "no_maximum",
        "own_family",
        "examples",
    )
}
html_static_path = ["_static"]
html_css_files = ["mlece.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
