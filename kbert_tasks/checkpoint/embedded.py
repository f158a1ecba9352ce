"""Locates the small Chinese checkpoint that is included in the package."""

import shutil
from os import PathLike
from pathlib import Path

from ..disk import written
from ..errors import InputError
from ..files import replacing_folder
from .google_format import is_checkpoint

NAME = "tiny-zh"
PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Returns the folder of the checkpoint: in the package of an installed wheel, next to the package in a clone.

    Raises:
        InputError: this installation does not contain the checkpoint.
    """
    places = [above / "checkpoints" / NAME for above in (PACKAGE, PACKAGE.parent)]
    for place in places:
        if is_checkpoint(place):
            return place
    raise InputError(
        f"{NAME} is part of the package, but was found neither in {places[0]} nor in {places[1]}: "
        "reinstall kbert_tasks, or use another checkpoint"
    )


def copied(into: str | PathLike[str]) -> Path:
    """Returns the path of the copy of the checkpoint in the folder `into`; creates the copy if it is missing."""
    target = Path(into).expanduser() / NAME
    if not is_checkpoint(target):
        with replacing_folder(target) as fresh, written(target, "and run the same command again"):
            shutil.copytree(folder(), fresh)
            fresh.rename(target)
    return target
