"""Explanations: attributions add up to the score, and the attention is that of the model."""

import json
import re
import shutil

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import kbert_tasks as kb
from kbert_tasks import tasks
from kbert_tasks._keras import tensorflow
from kbert_tasks.explanation import attention
from kbert_tasks.explanation.gradients import integrated
from kbert_tasks.explanation.tokens import strings
from kbert_tasks.inference.predict import decoded, inputs
from kbert_tasks.tasks.relation.triples import Triple

from .. import numpy_bert, tiny

FEW = {"epochs": 1, "max_length": 32, "learning_rate": 1e-3, "precision": "float32"}
HOTEL = "房间很干净, but the service was terrible 😀"


ROWS = [  # for all tasks
    {
        "text": f"{place}的{thing}很{how}!",
        "label": {"好": "positive", "差": "negative", "大": "neutral"}[how],
        "spo_list": [{"subject": place, "predicate": how, "object": thing}],
        "event_type": "服务",
        "subject": place,
        "entities": [[0, len(place), "地点"], [0, len(place + thing) + 1, "东西"]],
    }
    for place in ("酒店", "房间", "环境")
    for thing in ("早餐", "服务", "东西")
    for how in "好差大"
]
TEXT, KIND, SUBJECT, TRIPLE = "酒店的早餐很好!", "服务", "酒店", ("酒店", "好", "早餐")
ENTITY = "酒店的早餐 | 东西"
LONG = "很好吃的东西在这那了吗" * 5 + "房间" + TEXT


def fitted(name, checkpoint, **settings):
    return tasks.find(name)(checkpoint, **FEW | settings).fit(ROWS, dev=ROWS[:4])


@pytest.fixture(scope="module")
def classifier(two_layers):
    return fitted("classify", two_layers)


@pytest.fixture(scope="module")
def relation(checkpoint):
    return fitted("relation", checkpoint)


@pytest.fixture(scope="module")
def subject(checkpoint):
    return fitted("subject", checkpoint)


@pytest.fixture(scope="module")
def entity(checkpoint):
    return fitted("entity", checkpoint)


@pytest.fixture(scope="module")
def cases(classifier, relation, subject, entity):
    """{name of a task: (task, text, text_b, answer)}."""
    return {
        "classify": (classifier, HOTEL, None, classifier.labels_[0]),
        "relation": (relation, TEXT, None, TRIPLE),
        "subject": (subject, TEXT, KIND, SUBJECT),
        "entity": (entity, TEXT, None, ENTITY),
    }


@pytest.fixture(params=tasks.names())
def case(request, cases):
    return cases[request.param]


def test_attributions_add_up_to_the_change_of_the_score(case):
    found = kb.explain(*case, steps=300)
    change = found.score - found.baseline
    assert abs(change) > 1e-4 and found.close
    assert found.delta == pytest.approx(found.attributions.sum() - change, abs=1e-9)
    assert abs(found.delta) < 1e-3 + 1e-3 * abs(change)
    few_steps = kb.explain(*case, steps=2)
    assert few_steps.score == found.score and abs(few_steps.delta) >= abs(found.delta) - 1e-4


def test_shapes_and_tokens_of_an_explanation(case):
    found = kb.explain(*case)
    number, layers = len(found.tokens), case[0].config["num_hidden_layers"]
    assert found.attributions.shape == found.segments.shape == (number,) and found.offsets.shape == (number, 2)
    assert found.attention.shape == (layers, 2, number, number)
    special = [token in ("[CLS]", "[SEP]") for token in found.tokens]
    assert sum(special) == 1 + len(found.texts) and not found.attributions[special].any()
    assert np.count_nonzero(found.attributions) == number - sum(special)
    np.testing.assert_allclose(found.attention.sum(-1), 1, atol=1e-5)
    for token, segment, (start, end), is_special in zip(
        found.tokens, found.segments, found.offsets, special, strict=True
    ):
        assert is_special or found.texts[segment][start:end] == token
    assert json.loads(json.dumps(found.as_dict()))["tokens"][1]["token"] == found.tokens[1]
    assert str(found).count("\n") >= number


def test_the_score_of_a_label_is_its_log_odds(classifier):
    encoded = classifier.encode(classifier.examples([HOTEL], gold=False).rows[0])
    x = inputs(encoded)
    scores = np.array(classifier.model([x["Input-Token"], x["Input-Segment"]], training=False)["label"])[0]
    for place, label in enumerate(classifier.labels_):
        found = kb.explain(classifier, HOTEL, answer=label, steps=1)
        others = np.delete(scores, place)
        assert found.score == pytest.approx(scores[place] - np.log(np.exp(others).sum()), abs=1e-4)
        prediction = classifier.predict([HOTEL])[0]
        assert found.probability == pytest.approx(prediction.probabilities[label])
        assert found.predicted == (label == prediction.label)
    assert kb.explain(classifier, HOTEL, steps=1).answer == prediction.label


def test_texts_with_several_labels(checkpoint):
    texts, labels = ["好", "坏", "吃的", "房间好"] * 4, [["a"], ["a", "b"], ["c"], []] * 4
    task = kb.TextClassifier(checkpoint, **FEW).fit(texts, labels, dev=(texts[:4], labels[:4]))
    (prediction,) = task.predict(["房间好"])
    for label in task.labels_:
        found = kb.explain(task, "房间好", answer=label)
        assert found.answer == label and found.close
        assert found.probability == pytest.approx(prediction.probabilities[label])
        assert found.predicted == (label in prediction.label)
    with pytest.raises(kb.InputError, match="'d' is not a label of this model; its labels: a, b, c"):
        kb.explain(task, "房间好", answer="d")


def test_pairs_of_texts(checkpoint):
    pairs = [("房间好", "很好"), ("房间坏", "服务")] * 6
    task = kb.TextClassifier(checkpoint, **FEW).fit(pairs, ["same", "other"] * 6, dev=(pairs[:2], ["same", "other"]))
    found = kb.explain(task, "房间 good", "the 服务")
    assert found.texts == ("房间 good", "the 服务")
    assert found.tokens == ("[CLS]", "房", "间", "good", "[SEP]", "the", "服", "务", "[SEP]")
    assert found.segments.tolist() == [0] * 5 + [1] * 4
    with pytest.raises(kb.InputError, match="reads pairs: give the second text too"):
        kb.explain(task, "房间")
    with pytest.raises(kb.InputError, match="empty second text"):
        kb.explain(task, "房间", " ")


def test_the_probability_of_a_triple_is_the_product_of_its_parts(relation):
    found = kb.explain(relation, TEXT, answer=TRIPLE)
    assert found.answer.strings == TRIPLE
    for name, (first, last) in found.places.items():
        start, end = found.offsets[first, 0], found.offsets[last, 1]
        assert TEXT[start:end] == getattr(found.answer, name)
    x = inputs(relation.encode(relation.examples([TEXT], gold=False).rows[0]))
    for name, part in (("Subjects", "subject"), ("Objects", "object")):
        x[name] = np.array([[found.places[part]]], "int32")
    scores = relation.model(x, training=False)
    spans = np.array(scores["spans"])[0]
    z = [spans[kind, first, last] for kind, (first, last) in enumerate(found.places.values())]
    z.append(np.array(scores["pairs"])[0, 0, 0, relation.predicates_.index("好")])
    p = np.prod(1 / (1 + np.exp(-np.array(z, "float64"))))
    assert found.score == pytest.approx(np.log(p / (1 - p)), abs=1e-4)
    assert found.probability == pytest.approx(p, abs=1e-5)


def test_triple_can_be_given_in_any_form_or_predicted(relation):
    forms = Triple(*TRIPLE), TRIPLE, list(TRIPLE), "酒店 | 好 | 早餐", json.dumps(TRIPLE)
    found = [kb.explain(relation, TEXT, answer=each, steps=1) for each in forms]
    assert {each.answer.strings for each in found} == {TRIPLE} and len({each.score for each in found}) == 1
    (possible,) = decoded(relation, *encoded_rows(relation, TEXT))
    if possible:
        best = kb.explain(relation, TEXT, steps=1)
        assert best.answer == possible[0]
        assert 1 / (1 + np.exp(-best.score)) == pytest.approx(possible[0].probability, abs=1e-5)
    else:
        with pytest.raises(kb.InputError, match="finds no triple in this text"):
            kb.explain(relation, TEXT, steps=1)


def encoded_rows(task, *rows):
    examples = task.examples(list(rows), gold=False).rows
    return examples, [task.encode(each) for each in examples]


@pytest.mark.parametrize(
    "answer, message",
    [
        ("a | b", "should be a triple, 'subject | predicate | object'"),
        (("a", 1, "b"), "should be a triple"),
        ("[" * 100_000, "should be a triple"),
        ("[" + "1" * 5000 + "]", "should be a triple"),
        ("房 | nothing | 间", "'nothing' is not a predicate of this model"),
        ("房房房 | 好 | 间间间", "its subject is not in the text and its object is not in the text"),
    ],
)
def test_invalid_triple_is_an_error(relation, answer, message):
    with pytest.raises(kb.InputError, match=re.escape(message)):
        kb.explain(relation, TEXT, answer=answer)


def test_probability_of_a_subject_is_that_of_its_span(subject):
    found = kb.explain(subject, TEXT, KIND, SUBJECT)
    assert found.shown == SUBJECT and found.texts == (KIND, TEXT)
    first, last = found.places["subject"]
    assert TEXT[found.offsets[first, 0] : found.offsets[last, 1]] == SUBJECT
    _, (windows,) = encoded_rows(subject, (TEXT, KIND))
    (p,) = subject.span_probabilities(windows[0], *subject.run_model(windows))
    assert found.score == pytest.approx(np.log(p[first, last] / (1 - p[first, last])), abs=1e-4)
    none = kb.explain(subject, TEXT, KIND, "")
    assert none.answer is None and none.shown == "no subject" and not none.places
    assert none.probability == pytest.approx(p[0, 0], abs=1e-5)
    (prediction,) = subject.predict([(TEXT, KIND)])
    best = kb.explain(subject, TEXT, KIND, steps=1)
    assert best.predicted and best.answer == (prediction.subjects[0] if prediction.subjects else None)
    with pytest.raises(kb.InputError, match="'zebra' cannot be answered for this text: it is not in the text"):
        kb.explain(subject, TEXT, KIND, "zebra")
    with pytest.raises(kb.InputError, match="give the event's type too"):
        kb.explain(subject, TEXT)


def test_probability_of_an_entity_is_that_of_its_span(entity):
    found = kb.explain(entity, TEXT, answer=ENTITY)
    assert found.shown == ENTITY and found.answer.key == (0, 5, "东西")
    first, last = found.places["entity"]
    assert TEXT[found.offsets[first, 0] : found.offsets[last, 1]] == "酒店的早餐"
    _, (windows,) = encoded_rows(entity, TEXT)
    (outputs,) = entity.run_model(windows)
    score = outputs["spans"][entity.types_.index("东西"), first, last]
    assert found.score == pytest.approx(score, abs=1e-4)
    assert found.probability == pytest.approx(1 / (1 + np.exp(-score)), abs=1e-5)


def test_long_text_is_explained_in_the_window_with_the_answer(subject, relation, entity):
    found = kb.explain(subject, LONG, KIND, SUBJECT)
    assert len(found.tokens) == 32 and found.cut > 0
    first, last = found.places["subject"]
    assert LONG[found.offsets[first, 0] : found.offsets[last, 1]] == SUBJECT
    place = LONG.index(SUBJECT)
    found = kb.explain(entity, LONG, answer=(place, place + 2, "地点"))
    first, last = found.places["entity"]
    assert "".join(found.tokens[first : last + 1]) == SUBJECT and found.cut > 0
    with pytest.raises(kb.InputError, match="cannot be answered for this text: it is complete in no window"):
        kb.explain(entity, LONG, answer=[0, 50, "地点"])
    found = kb.explain(relation, LONG, answer=("房间", "好", "早餐"))
    first, last = found.places["object"]
    assert "".join(found.tokens[first : last + 1]) == "早餐"
    with pytest.raises(kb.InputError, match="its subject and object are in no window together"):
        kb.explain(relation, f"环境{LONG}早早", answer=("环境", "好", "早早"))


def test_invalid_input_is_an_error(classifier):
    for text, message in (("", "empty text"), (" \n", "empty text")):
        with pytest.raises(kb.InputError, match=message):
            kb.explain(classifier, text)
    with pytest.raises(kb.InputError, match="single texts, not pairs"):
        kb.explain(classifier, "好", "坏")
    with pytest.raises(kb.InputError, match="did you mean"):
        kb.explain(classifier, "好", answer=classifier.labels_[0] + "x")
    for steps in (0, -1, 1.5, "3"):
        with pytest.raises(kb.InputError, match="steps should be a whole number"):
            kb.explain(classifier, "好", steps=steps)
    with pytest.raises(kb.InputError, match="is not trained"):
        kb.explain(kb.TextClassifier("nowhere"), "好")
    with pytest.raises(kb.InputError, match="a trained task is needed, found 'runs/hotel': open a saved folder"):
        kb.explain("runs/hotel", "好")


def test_text_without_readable_characters_is_an_error(classifier):
    with pytest.raises(kb.InputError, match="there is nothing to explain: empty text"):
        kb.explain(classifier, "\u200d")


def with_settings(folder, target, **settings):
    """A copy of a saved task with other settings."""
    shutil.copytree(folder, target)
    about = json.loads((target / "task.json").read_text(encoding="utf-8"))
    about["settings"] |= settings
    (target / "task.json").write_text(json.dumps(about), encoding="utf-8")
    return kb.load(target)


def test_all_encoders_and_precisions_have_the_same_explanation(classifier, tmp_path):
    classifier.save(tmp_path / "run")
    expected = kb.explain(classifier, HOTEL, answer=classifier.labels_[0])
    for name, settings in {"theirs": {"encoder": "keras-bert"}, "rounded": {"precision": "bfloat16"}}.items():
        task = with_settings(tmp_path / "run", tmp_path / name, **settings)
        found = kb.explain(task, HOTEL, answer=task.labels_[0])
        np.testing.assert_allclose(found.attributions, expected.attributions, atol=1e-3)
        np.testing.assert_allclose(found.attention, expected.attention, atol=1e-4)
        assert found.score == pytest.approx(expected.score, abs=1e-4)
    assert task.model.get_layer("Encoder-1-FeedForward").compute_dtype == "bfloat16"


def test_pooling_over_all_tokens(classifier, tmp_path):
    classifier.save(tmp_path / "run")
    task = with_settings(tmp_path / "run", tmp_path / "mean", pooling="mean")
    assert kb.explain(task, HOTEL).close


def test_changed_weights_change_the_explanation(classifier):
    before = kb.explain(classifier, HOTEL)
    layer = classifier.model.get_layer("label")
    weights = layer.get_weights()
    try:
        layer.set_weights([0 * each for each in weights])
        after = kb.explain(classifier, HOTEL)
    finally:
        layer.set_weights(weights)
    assert before.attributions.any() and not after.attributions.any()


def test_integrated_gradients_are_exact_for_linear_and_quadratic_functions():
    tf, rng = tensorflow(), np.random.default_rng(0)
    start, end, w = rng.standard_normal((3, 5, 4)).astype("float32")
    line = integrated(lambda x: tf.reduce_sum(x * w, [1, 2]), start, end, 1)
    np.testing.assert_allclose(line, (w * (end - start)).sum(-1), atol=1e-5)
    for steps in (1, 7, 300):  # 300 is more than one batch
        squares = integrated(lambda x: tf.reduce_sum(x * x, [1, 2]), start, end, steps)
        np.testing.assert_allclose(squares, (end**2 - start**2).sum(-1), atol=1e-4)
    assert not integrated(lambda x: tf.reduce_sum(x * w, [1, 2]), start, start, 3).any()


@pytest.mark.parametrize("encoder", ["fast", "keras-bert"])
def test_attention_equals_a_plain_numpy_computation(two_layers, encoder):
    found = kb.Checkpoint.open(two_layers)
    model = kb.load_trained_model_from_checkpoint(found.config_file, found.checkpoint_file, encoder=encoder)
    window = kb.Tokenizer(found.vocabulary, found.cased).encode("the room was clean", "服务 bad!")
    maps = attention.maps(model, window, found.config["num_attention_heads"])
    tensors, ids, segments = found.tensors(), window.ids[None], window.segments[None]
    for i, layer_attention in enumerate(maps):
        x = numpy_bert.forward(tensors, found.config | {"num_hidden_layers": i}, ids, segments)[0]
        size = found.config["hidden_size"] // found.config["num_attention_heads"]
        for head, head_attention in enumerate(layer_attention):
            part = slice(head * size, (head + 1) * size)
            name = f"bert/encoder/layer_{i}/attention/self"
            query, key = (
                (x @ tensors[f"{name}/{kind}/kernel"] + tensors[f"{name}/{kind}/bias"])[:, part]
                for kind in ("query", "key")
            )
            expected = np.exp(query @ key.T / np.sqrt(size))
            np.testing.assert_allclose(head_attention, expected / expected.sum(-1, keepdims=True), atol=1e-5)


TEXTS = strategies.text(
    strategies.sampled_from("房间很好坏thecafé AB1,。！\n\t 😀👩‍🚀\u0301\u200b한국ß龘<&\x00"), max_size=40
)


@hypothesis.given(TEXTS, TEXTS)
def test_tokens_are_the_text_in_order(text, pair):
    tokenizer = kb.Tokenizer(tiny.vocabulary(), cased=False)
    encoded = tokenizer.encode(text, pair)
    found = strings(tokenizer, encoded, (text, pair))
    for segment, original in enumerate((text, pair)):
        position, rebuilt = 0, ""
        for token, (start, end), token_segment in zip(found, encoded.offsets, encoded.segments, strict=True):
            if token_segment == segment and end > start:
                assert token == original[start:end]
                rebuilt += original[position:start] + token[max(0, position - start) :]
                position = max(position, end)
        assert rebuilt + original[position:] == original
    assert [token for token, (start, end) in zip(found, encoded.offsets, strict=True) if start == end] == [
        "[CLS]",
        "[SEP]",
        "[SEP]",
    ]
