"""Locates the small Chinese checkpoint that is included in the package."""

import shutil
from pathlib import Path

from ..disk import written
from ..errors import InputError
from ..files import aside
from .google_format import is_checkpoint

NAME = "tiny-zh"
PACKAGE = Path(__file__).parents[1]


def folder():
    """Returns the folder of the checkpoint: in the package of an installed wheel, next to the package in a clone.

    Raises:
        InputError: this installation does not contain the checkpoint.
    """
    places = [above / "checkpoints" / NAME for above in (PACKAGE, PACKAGE.parent)]
    for place in places:
        if is_checkpoint(place):
            return place
    raise InputError(
        f"{NAME} comes with the package, but is neither in {places[0]} nor in {places[1]}: "
        "install kbert_tasks again, or name another checkpoint"
    )


def copied(into):
    """Returns the path of the copy of the checkpoint in the folder `into`; creates the copy if it is missing."""
    target = Path(into).expanduser() / NAME
    if not is_checkpoint(target):
        with aside(target) as fresh, written(target, "and give the same command again"):
            shutil.copytree(folder(), fresh)
            fresh.rename(target)
    return target
