"""Keras can save, load and copy the layers and models of the package, and their outputs stay equal."""

import copy
import importlib
import pkgutil

import numpy as np
import pytest

import kbert_tasks as kb
from kbert_tasks._keras import keras2, tensorflow
from kbert_tasks.encoder.loading import build_encoder
from kbert_tasks.encoder.precision import computing

from . import tiny

tf, keras = tensorflow(), keras2()

KINDS = (
    keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.legacy.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
)  # fmt: skip
# Constructor arguments of each class. The classes in MODELS wrap another model and are built below.
ARGUMENTS = {
    "Accuracy": {}, "AdamW": {"weight_decay": 0.1, "rates": {"label": 2.0}}, "AtPositions": {}, "ChoiceLoss": {},
    "DistilledLoss": {"several": False, "weights": [1.0, 2.0], "share": 0.3, "temperature": 2.0},
    "Dropout": {"rate": 0.1}, "Embedding": {"number": 9, "size": 4, "initializer": "ones"}, "FeedForward":
    {"units": 8, "activation": "gelu"}, "First": {}, "FirstToken": {}, "LabelLoss": {"several": True, "focal": 2.0},
    "Layer": {}, "LayerNormalization": {}, "OverTokens": {"how": "max"}, "PaddingBias": {}, "PairScores": {"kinds": 3},
    "PositionEmbedding": {"positions": 9}, "SelfAttention": {"heads": 2, "dropout_rate": 0.1}, "SetLoss": {},
    "SumNormalization": {"rate": 0.1},
    "SpanScores": {"kinds": 2, "size": 8}, "TokenScores": {"number": 9}, "Traced": {}, "WarmUp": {"peak": 1.0, "warmup_steps": 1,
    "steps": 2},
}  # fmt: skip
MODELS = {"Pretraining", "Stepped"}


def classes():
    """{name: class} of the classes of the package that have one of the KINDS."""
    found = {}
    for each in pkgutil.walk_packages(kb.__path__, "kbert_tasks."):
        for value in vars(importlib.import_module(each.name)).values():
            if isinstance(value, type) and issubclass(value, KINDS) and value.__module__.startswith("kbert_tasks"):
                found[value.__name__] = value
    return found


def test_every_class_is_registered_and_rebuilt_from_its_config():
    found = classes()
    assert found.keys() == ARGUMENTS.keys() | MODELS  # add a new class to ARGUMENTS or MODELS
    for name, kind in found.items():
        assert keras.utils.get_registered_object(keras.utils.get_registered_name(kind)) is kind, name
        if name in MODELS:
            continue
        config = kind(**ARGUMENTS[name]).get_config()
        assert kind.from_config(config).get_config() == config, name
        assert (
            config.items() >= {key: value for key, value in ARGUMENTS[name].items() if key != "initializer"}.items()
        ), name
    for name in ("masked_words", "next_sentence"):
        loss = getattr(importlib.import_module("kbert_tasks.pretraining.losses"), name)
        assert keras.utils.get_registered_object(f"kbert_tasks>{name}") is loss


def of_task(kind, encoder="fast", **learned):
    """The untrained model of a task."""
    task = kind(None, encoder=encoder)
    task.config = tiny.config(num_hidden_layers=1)
    for name, value in learned.items():
        setattr(task, name, value)
    return task.build(build_encoder(task.config, encoder, first_only=task.first_only))


def classifier(encoder="fast"):
    return of_task(kb.TextClassifier, encoder, labels_=["a", "b"], multi_label_=False, pairs_=False)


def relation(encoder="fast"):
    return of_task(kb.RelationExtractor, encoder, predicates_=["x", "y", "z"])


def subject():
    return of_task(kb.SubjectExtractor)


def entity():
    return of_task(kb.EntityRecognizer, types_=["x", "y", "z"])


def relation_in_16_bits():
    with computing("bfloat16"):
        return relation()


def pretraining():
    from kbert_tasks.pretraining import losses, model
    from kbert_tasks.training.optimizers import AdamW, warmup_schedule

    made = model.build(tiny.config(num_hidden_layers=1))
    made.compile(AdamW(warmup_schedule(1e-3, 1, 2)), losses.losses(), losses.metrics())
    return made


def stepped():
    from kbert_tasks.tasks.heads import ChoiceLoss, SetLoss
    from kbert_tasks.training.step import Stepped

    made = Stepped(subject(), parts=2, adversarial=0.5)
    made.compile("sgd", {"spans": SetLoss(), "choice": ChoiceLoss()})
    return made


def batch_for(model):
    """Random inputs: three texts of six tokens, with four positions, or four spans, in each."""
    draw, x = np.random.default_rng(0), {}
    for name, each in zip(model.input_names, model.inputs, strict=True):
        shape = 3, 6 if name.startswith("Input") else 4, *each.shape[2:]
        x[name] = draw.integers(0, 2 if name == "Input-Segment" else 6, shape).astype("int32")
    return x


def saved(model, file, **options):
    model.save(file)
    return keras.models.load_model(file, **options)


def clone(model):
    made = keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    return made


def check(model, tmp_path, h5=True):
    x = batch_for(model)
    wanted = tf.nest.flatten(model(x, training=False))
    copies = {
        "load_model": lambda: saved(model, tmp_path / "m.keras"),
        "clone_model": lambda: clone(model),
        "deepcopy": lambda: copy.deepcopy(model),
    }
    if h5:
        copies["h5"] = lambda: saved(model, tmp_path / "m.h5", compile=False)
    for name, make in copies.items():
        made = make()
        assert type(made) is type(model), name
        assert [w.shape for w in made.weights] == [w.shape for w in model.weights], name
        for one, other in zip(tf.nest.flatten(made(x, training=False)), wanted, strict=True):
            assert np.array_equal(one, other), name
    return made


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("build", [classifier, relation, subject, entity, relation_in_16_bits])
def test_task_models_can_be_saved_and_copied(build, tmp_path):
    check(build(), tmp_path)


@pytest.mark.parametrize("build", [classifier, pytest.param(pretraining, marks=pytest.mark.slow)])
def test_saved_model_contains_the_dropout_generator(build, tmp_path):
    model = build()
    x = batch_for(model)
    model.save(tmp_path / "folder", save_format="tf")
    made = keras.models.load_model(tmp_path / "folder")
    for one, other in zip(*(tf.nest.flatten(each(x, training=False)) for each in (made, model)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("build", [pretraining, stepped])
def test_training_models_can_be_saved_and_copied(build, tmp_path):
    """Without .h5: it stores a model class and an activation without their package, so Keras does not find them."""
    made = check(build(), tmp_path, h5=False)
    if build is stepped:
        assert (made.parts, made.adversarial) == (2, 0.5)


def test_copied_pretraining_model_still_shares_its_embedding_table():
    made = clone(pretraining())
    x = batch_for(made)
    before = made(x, training=False)["MLM"].numpy()
    made.get_layer("MLM-Sim").set_weights([np.zeros_like(w) for w in made.get_layer("MLM-Sim").get_weights()])
    made.get_layer("Embedding-Token").set_weights([np.zeros_like(made.get_layer("Embedding-Token").get_weights()[0])])
    assert before.any() and not made(x, training=False)["MLM"].numpy().any()


def test_keras_bert_model_can_be_saved_and_copied(tmp_path):
    """Without .h5: its layers have the names of Keras layers, and its gelu would be loaded as the different one of Keras."""
    check(relation("keras-bert"), tmp_path, h5=False)
