"""Sphinx's settings: `make docs` builds docs/_build/html."""

project = "descend"
author = "The descend developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Deep learning, readable from top to bottom"}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
default_role = "code"
