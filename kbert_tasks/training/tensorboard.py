"""Write TensorBoard logs with TensorFlow only, because `tf.summary.scalar` needs the tensorboard package."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .._keras import tensorflow
from ..errors import InputError
from . import distribution
from .callbacks import Callback

if TYPE_CHECKING:
    from tensorflow.summary import SummaryWriter

    from .callbacks import DevScore

EVENTS = "events.out.tfevents.*"  # TensorFlow's names for event files


class TensorBoard(Callback):
    """Writes each epoch of the history as scalars.

    The scalars are train/loss (the mean of the epoch), train/loss_OUTPUT if there are several losses, train/seconds and
    dev/SCORE. Each training uses its own subfolder, whose name contains the seed and a hash of everything that determines
    the result. A resumed run therefore finds its log and writes no epoch twice, and a run that starts over replaces it.

    Args:
        folder: folder for the logs of all trainings, or None to write no logs.
        identity: dict (JSON) of everything that determines the result.
        dev_score: a DevScore, which must precede this callback.
        resumed: whether the run resumes from a save.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: str | None, identity: Mapping[str, Any], dev_score: "DevScore", resumed: bool) -> None:
        super().__init__()
        self.dev_score = dev_score
        self.writer: SummaryWriter | None = None
        if folder is None or not distribution.chief():
            return
        tf = tensorflow()
        folder = f"{folder}/seed-{identity['settings']['seed']}-{sha256(json.dumps(identity).encode()).hexdigest()[:8]}"
        try:
            tf.io.gfile.makedirs(folder)
            if not resumed:
                for file in tf.io.gfile.glob(f"{folder}/{EVENTS}"):
                    tf.io.gfile.remove(file)
            self.written = max((step for step, _, _ in scalars(folder)), default=0)
            self.writer = tf.summary.create_file_writer(folder)
        except tf.errors.OpError as error:
            raise InputError(f"tensorboard: {folder} cannot be written ({error.message.splitlines()[0]})") from None
        self._write(self.writer)  # a resumed run writes the earlier epochs if their log is missing in this folder

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.writer:
            self._write(self.writer)

    def _write(self, writer: "SummaryWriter") -> None:
        tf = tensorflow()
        # TensorBoard recognises scalars by this metadata.
        kind = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
        for entry in self.dev_score.history[self.written :]:
            self.written = entry["epoch"]
            for tag, value in _values(entry):
                with writer.as_default(step=entry["epoch"]):
                    tf.summary.write(tag, tf.constant(value, tf.float32), metadata=kind)
        writer.flush()


def _values(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yields (tag, number) for an entry of the history."""
    yield "train/loss", entry["loss"]
    yield from ((f"train/loss_{name}", value) for name, value in entry.get("losses", {}).items())
    yield "train/seconds", entry["seconds"]
    yield from ((f"dev/{name}", value) for name, value in entry.get("dev", {}).items())


def scalars(folder: str) -> Iterator[tuple[int, str, float]]:
    """Yields (step, tag, value) for each scalar in the event files of a folder, up to the first damaged record."""
    tf = tensorflow()
    for file in sorted(tf.io.gfile.glob(f"{folder}/{EVENTS}")):
        try:
            for record in tf.data.TFRecordDataset(file):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    yield event.step, value.tag, float(tf.make_ndarray(value.tensor))
        except tf.errors.DataLossError:  # a killed run wrote the last record only partly
            continue
