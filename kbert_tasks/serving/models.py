"""The models of the server: loads them, finds them by name, and loads changed folders again."""

import gc
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..explanation import models as explained
from ..inference.openvino import package, pays
from ..saving.folder import CONFIG, TASK, VOCABULARY, WEIGHTS
from ..settings import AUTO
from ..tasks.base import Task
from ..tasks.loading import load
from .problems import Problem
from .questions import options_of, with_options

log = logging.getLogger("kbert_tasks")

VARIANTS = 64  # maximum number of combinations of options of a model that are kept


@dataclass(eq=False)
class Loaded:
    """A loaded task.

    Attributes:
        name: its name in the address, /models/NAME.
        folder: the folder of the saved task.
        task: the Task.
        version: changes if the files of the folder are replaced.
        time: when it was loaded.
    """

    name: str
    folder: Path
    task: Task[Any]
    version: tuple[Any, ...]
    time: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    _variants: "OrderedDict[str, Task[Any]]" = field(default_factory=OrderedDict)

    def with_options(self, options: dict[str, Any]) -> Task[Any]:
        """Returns the task with other settings: the same object for the same options, so that their texts share batches."""
        if not options:
            return self.task
        key = json.dumps(options, sort_keys=True)
        if key not in self._variants:
            self._variants[key] = with_options(self.task, options)
            if len(self._variants) > VARIANTS:
                self._variants.popitem(last=False)
        return self._variants[key]

    def as_dict(self) -> dict[str, Any]:
        task = self.task
        shown = task.presentation
        return {
            "name": self.name,
            "task": task.name,
            "title": shown.title or task.name,
            "title_zh": shown.title_zh or shown.title or task.name,
            "second_text": task.SECOND_TEXT.removeprefix("the ") if task.paired else None,
            "engine": "openvino" if task.engine_ else "keras",
            "loaded": self.time,
            "options": options_of(task),
        }


def folders_of(runs: list[str]) -> dict[str, Path]:
    """Returns a dict of the name of each model to its folder.

    Args:
        runs: FOLDER, which gives the model the name of the folder, or NAME=FOLDER.

    Raises:
        InputError: two models have the same name, or a name cannot be part of an address.
    """
    found: dict[str, Path] = {}
    for run in runs:
        name, equals, path = run.partition("=")
        if not equals or Path(run).is_dir():
            name, path = Path(run).resolve().name, run
        if not name or "/" in name or not name.isprintable():
            raise InputError(f"the model in {path} needs a name without / for its address: give NAME={path}")
        if name in found:
            raise InputError(f"two models have the name {name}: give one of them another name, NAME={path}")
        found[name] = Path(path)
    return found


class Models:
    """The models of the server by name.

    Args:
        folders: dict of name to folder.
        engine: "keras", "openvino", or "auto" for OpenVINO if it is installed and there is no GPU or TPU.

    Raises:
        InputError: a folder cannot be loaded.
    """

    def __init__(self, folders: Mapping[str, Path], engine: str = AUTO) -> None:
        self.engine = _engine(engine)
        self._loaded = {name: self._load(name, folder) for name, folder in folders.items()}

    def __iter__(self) -> Any:
        return iter([*self._loaded.values()])

    def find(self, name: str) -> Loaded:
        """Returns the model with this name; raises Problem if there is none."""
        if name not in self._loaded:
            raise Problem(404, f"there is no model {name[:60]!r}; models: {', '.join(self._loaded)}")
        return self._loaded[name]

    def reload(self) -> dict[str, str]:
        """Loads each folder whose files have changed. Requests that were accepted before keep the earlier model.

        If a folder cannot be loaded, its earlier model remains.

        Returns:
            A dict of the name of each model to "reloaded", "unchanged" or "failed".
        """
        results = {}
        for earlier in self:
            results[earlier.name] = "unchanged"
            try:
                if _version(earlier.folder) != earlier.version:
                    self._loaded[earlier.name] = self._load(earlier.name, earlier.folder)
                    results[earlier.name] = "reloaded"
            except Exception as error:  # whatever is wrong with the new files, the other models should be reloaded
                results[earlier.name] = "failed"
                unexpected = not isinstance(error, InputError | OSError)
                reason = f"{type(error).__name__}: {error}" if unexpected else error
                log.error(
                    "%s was not reloaded, and the earlier model remains: %s", earlier.name, reason, exc_info=unexpected
                )
        explained.forget()
        del earlier
        gc.collect()  # Keras models are reference cycles
        return results

    def _load(self, name: str, folder: Path) -> Loaded:
        version = _version(folder)
        began = time.perf_counter()
        task = load(folder, self.engine)
        with suppress(InputError):  # the first prediction traces or compiles the model
            task.predict([("a", "a")] if task.paired else ["a"])
        log.info("%s: loaded %s with %s in %.1f s", name, folder, self.engine, time.perf_counter() - began)
        return Loaded(name, folder, task, version)


def _engine(engine: str) -> str:
    if engine != AUTO:
        return engine
    with suppress(InputError):
        if pays():
            package()
            return "openvino"
    return "keras"


def _version(folder: Path) -> tuple[Any, ...]:
    """Returns a value that changes if the files of a saved task are replaced; () if one is missing."""
    with suppress(FileNotFoundError, NotADirectoryError):
        found = [(folder / name).stat() for name in (TASK, CONFIG, VOCABULARY, WEIGHTS)]
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)
    return ()
