"""Jinja templates of pages that open offline, without files beside them."""

from pathlib import Path

import jinja2

SHARED = Path(__file__).parent  # style.css


def template(file, *folders, **options):
    """A template.

    Args:
        file: its name, such as `report.html.jinja`.
        folders: where it and the files that it includes are looked for, before this package.
        **options: more of `jinja2.Environment`, such as `undefined`; `filters` are added to Jinja's own.
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
