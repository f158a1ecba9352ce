"""The log of a training for TensorBoard, written with TensorFlow alone: tf.summary.scalar needs the tensorboard package."""

import json
from hashlib import sha256

from .._keras import tensorflow
from ..errors import InputError
from . import distribution
from .callbacks import Callback

EVENTS = "events.out.tfevents.*"  # as TensorFlow names its files


class TensorBoard(Callback):
    """Writes each epoch of the history as scalars: train/loss (the epoch's mean), its parts, train/seconds, dev/SCORE.

    Each training has a folder of its own in the one that is named, called by its seed and a sum of all that decides the
    result: a run that goes on finds its log again and writes no epoch twice, and one that begins anew replaces it.

    Args:
        folder: for the logs of trainings, or None to write none.
        told: dict (JSON) of all that decides the result.
        dev_score: a DevScore, which must come before this.
        resumed: whether the run goes on from a save.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder, told, dev_score, resumed):
        super().__init__()
        self.dev_score, self.writer = dev_score, None
        if folder is None or not distribution.chief():
            return
        tf = tensorflow()
        folder = f"{folder}/seed-{told['settings']['seed']}-{sha256(json.dumps(told).encode()).hexdigest()[:8]}"
        try:
            tf.io.gfile.makedirs(folder)
            if not resumed:
                for file in tf.io.gfile.glob(f"{folder}/{EVENTS}"):
                    tf.io.gfile.remove(file)
            self.written = max((step for step, _, _ in scalars(folder)), default=0)
            self.writer = tf.summary.create_file_writer(folder)
        except tf.errors.OpError as error:
            raise InputError(f"tensorboard: {folder} cannot be written ({error.message.splitlines()[0]})") from None
        self._write()  # where the log is lost, or in another folder than before the stop

    def on_epoch_end(self, epoch, logs=None):
        if self.writer:
            self._write()

    def _write(self):
        tf = tensorflow()
        # By this TensorBoard knows a scalar.
        kind = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
        for entry in self.dev_score.history[self.written :]:
            self.written = entry["epoch"]
            for tag, value in _values(entry):
                with self.writer.as_default(step=entry["epoch"]):
                    tf.summary.write(tag, tf.constant(value, tf.float32), metadata=kind)
        self.writer.flush()


def _values(entry):
    """(tag, number) of an entry of the history."""
    yield "train/loss", entry["loss"]
    yield from ((f"train/loss_{name}", value) for name, value in entry.get("losses", {}).items())
    yield "train/seconds", entry["seconds"]
    yield from ((f"dev/{name}", value) for name, value in entry.get("dev", {}).items())


def scalars(folder):
    """(step, tag, value) of each scalar in a folder's event files, as far as they are whole."""
    tf = tensorflow()
    for file in sorted(tf.io.gfile.glob(f"{folder}/{EVENTS}")):
        try:
            for record in tf.data.TFRecordDataset(file):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    yield event.step, value.tag, float(tf.make_ndarray(value.tensor))
        except tf.errors.DataLossError:  # of a killed run
            continue
