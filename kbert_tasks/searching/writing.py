"""Writes the results of a search: trials.csv and search.html."""

import logging
from typing import TYPE_CHECKING

from ..files import replacing
from .page import html
from .table import write_table

if TYPE_CHECKING:
    from .search import Prepared
    from .study import Study

log = logging.getLogger("kbert_tasks")
PAGE = "search.html"


def write(study: "Study", found: "Prepared") -> None:
    """Writes trials.csv and search.html. A failure of the page is logged: the study is complete without it."""
    write_table(study)
    try:
        page = html(study, found)
        with study.alone(), replacing(study.folder / PAGE) as stream:
            stream.write(page)
    except Exception as error:
        log.warning("%s could not be created (%s: %s); everything else is saved", PAGE, type(error).__name__, error)
