"""Keras saves, loads and copies whatever the package makes of it, with equal outputs."""

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
# Arguments to make one of each; a model is made of a model, below.
MADE = {
    "Accuracy": {}, "AdamW": {"weight_decay": 0.1, "rates": {"label": 2.0}}, "AtPositions": {}, "ChoiceLoss": {},
    "Dropout": {"rate": 0.1}, "Embedding": {"number": 9, "size": 4, "initializer": "ones"}, "FeedForward":
    {"units": 8, "activation": "gelu"}, "First": {}, "FirstToken": {}, "LabelLoss": {"several": True, "focal": 2.0},
    "Layer": {}, "LayerNormalization": {}, "OverTokens": {"how": "max"}, "PaddingBias": {}, "PairScores": {"kinds": 3},
    "PositionEmbedding": {"positions": 9}, "SelfAttention": {"heads": 2, "dropout_rate": 0.1}, "SetLoss": {},
    "SumNormalization": {"rate": 0.1},
    "SpanScores": {"kinds": 2, "size": 8}, "TokenScores": {"number": 9}, "WarmUp": {"peak": 1.0, "warmup_steps": 1,
    "steps": 2},
}  # fmt: skip
MODELS = {"Pretraining", "Stepped"}


def classes():
    """All of the package's own classes of those kinds, by name."""
    found = {}
    for each in pkgutil.walk_packages(kb.__path__, "kbert_tasks."):
        for thing in vars(importlib.import_module(each.name)).values():
            if isinstance(thing, type) and issubclass(thing, KINDS) and thing.__module__.startswith("kbert_tasks"):
                found[thing.__name__] = thing
    return found


def test_every_class_is_registered_and_made_again_from_its_config():
    found = classes()
    assert found.keys() == MADE.keys() | MODELS  # a new class belongs into one of them
    for name, kind in found.items():
        assert keras.utils.get_registered_object(keras.utils.get_registered_name(kind)) is kind, name
        if name in MODELS:
            continue
        config = kind(**MADE[name]).get_config()
        assert kind.from_config(config).get_config() == config, name
        assert config.items() >= {key: value for key, value in MADE[name].items() if key != "initializer"}.items(), name
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
    ways = {
        "load_model": lambda: saved(model, tmp_path / "m.keras"),
        "clone_model": lambda: clone(model),
        "deepcopy": lambda: copy.deepcopy(model),
    }
    if h5:
        ways["h5"] = lambda: saved(model, tmp_path / "m.h5", compile=False)
    for way, make in ways.items():
        made = make()
        assert type(made) is type(model), way
        assert [w.shape for w in made.weights] == [w.shape for w in model.weights], way
        for one, other in zip(tf.nest.flatten(made(x, training=False)), wanted, strict=True):
            assert np.array_equal(one, other), way
    return made


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("build", [classifier, relation, subject, relation_in_16_bits])
def test_the_models_of_the_tasks(build, tmp_path):
    check(build(), tmp_path)


@pytest.mark.parametrize("build", [classifier, pytest.param(pretraining, marks=pytest.mark.slow)])
def test_a_saved_model_contains_the_generator_of_dropout(build, tmp_path):
    model = build()
    x = batch_for(model)
    model.save(tmp_path / "folder", save_format="tf")
    made = keras.models.load_model(tmp_path / "folder")
    for one, other in zip(*(tf.nest.flatten(each(x, training=False)) for each in (made, model)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("build", [pretraining, stepped])
def test_the_models_that_train(build, tmp_path):
    """Not as .h5: such a file holds a model's class and an activation by their bare names, and Keras refuses to guess."""
    made = check(build(), tmp_path, h5=False)
    if build is stepped:
        assert (made.parts, made.adversarial) == (2, 0.5)


def test_a_copy_of_the_pretraining_model_shares_its_table():
    made = clone(pretraining())
    x = batch_for(made)
    before = made(x, training=False)["MLM"].numpy()
    made.get_layer("MLM-Sim").set_weights([np.zeros_like(w) for w in made.get_layer("MLM-Sim").get_weights()])
    made.get_layer("Embedding-Token").set_weights([np.zeros_like(made.get_layer("Embedding-Token").get_weights()[0])])
    assert before.any() and not made(x, training=False)["MLM"].numpy().any()


def test_the_graph_of_keras_bert(tmp_path):
    """Its layers have names of Keras's own, and its gelu was loaded as Keras's, by another formula."""
    check(relation("keras-bert"), tmp_path, h5=False)
