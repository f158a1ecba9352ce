"""Loads Jinja templates of self-contained pages that open offline."""

from pathlib import Path
from typing import Any

import jinja2

SHARED = Path(__file__).parent  # contains style.css


def template(file: str, *folders: Path, **options: Any) -> jinja2.Template:
    """Loads a template.

    Args:
        file: name of the template, such as `report.html.jinja`.
        folders: folders that are searched before this package for the template and the files that it includes.
        **options: options of `jinja2.Environment`, such as `undefined`; `filters` are added to those of Jinja.
    """
    filters = options.pop("filters", {})
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, SHARED]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters |= filters
    return environment.get_template(file)
