import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kbert_tasks.data.batches import by_length, collate, order, training_batches

lengths = st.lists(st.integers(1, 200), min_size=1, max_size=300)


@given(lengths, st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_epoch_contains_every_text_once(lengths, size, seed, epoch):
    batches = order(lengths, size, seed, epoch)
    assert len(batches) == -(-len(lengths) // size)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size


@given(lengths, st.integers(1, 40))
def test_prediction_batches_contain_every_text_once_longest_first(lengths, size):
    batches = by_length(lengths, size)
    flat = np.concatenate(batches)
    assert sorted(flat) == list(range(len(lengths)))
    assert all(lengths[a] >= lengths[b] for a, b in zip(flat, flat[1:], strict=False))


def test_same_seed_repeats_the_order_and_epochs_differ():
    lengths = np.random.default_rng(0).integers(5, 100, 1000)
    first, again, other, next_epoch = (
        order(lengths, 32, seed, epoch) for seed, epoch in [(1, 0), (1, 0), (2, 0), (1, 1)]
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, next_epoch, strict=True))


def test_batches_contain_texts_of_similar_length_and_differ_between_epochs():
    lengths = np.random.default_rng(0).integers(5, 100, 10_000)
    batches = order(lengths, 32, 1, 0)
    padded = sum(lengths[b].max() * len(b) for b in batches)
    assert padded < 1.1 * lengths.sum()  # random batches need nearly twice as much padding
    assert len({tuple(sorted(b)) for b in batches} & {tuple(sorted(b)) for b in order(lengths, 32, 1, 1)}) < 5
    means = [lengths[b].mean() for b in batches]
    assert (
        abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2
    )  # the order of the batches does not depend on their length


def test_collate_pads_every_axis():
    batch = collate([{"a": np.array([1, 2]), "b": np.int32(5)}, {"a": np.array([3]), "b": np.int32(6)}], pad=-1)
    assert batch["a"].tolist() == [[1, 2], [3, -1]]
    assert batch["b"].tolist() == [5, 6]
    batch = collate([{"a": np.ones((1, 2))}, {"a": np.ones((2, 1))}], pad=-1)
    assert batch["a"].tolist() == [[[1, 1], [-1, -1]], [[1, -1], [1, -1]]]


def encoded(number):
    rng = np.random.default_rng(0)
    for i in range(number):
        n = rng.integers(3, 20)
        ids = np.full(n, i + 1, "int32")
        yield {"Input-Token": ids, "Input-Segment": np.zeros(n, "int32")}, {"label": np.int32(i)}


def add_random_number(x, target, rng):
    return x, target | {"number": np.int64(rng.integers(2**40))}


def test_training_resumes_from_any_step_with_the_same_batches():
    rows = list(encoded(23))
    labels, steps = training_batches(rows, add_random_number, 5, seed=3, epochs=3)
    assert steps == 5
    numbers = [y["number"].numpy().tolist() for _, y in labels]
    labels = [y["label"].numpy().tolist() for _, y in labels]
    assert len(labels) == 15
    for epoch in range(3):
        assert sorted(sum(labels[epoch * 5 : epoch * 5 + 5], [])) == list(range(23))
    rest, _ = training_batches(rows, add_random_number, 5, seed=3, epochs=3, first_step=7)
    assert [(y["label"].numpy().tolist(), y["number"].numpy().tolist()) for _, y in rest] == [
        *zip(labels[7:], numbers[7:], strict=True)
    ]
    number_by_text = [dict(zip(sum(labels[i : i + 5], []), sum(numbers[i : i + 5], []), strict=True)) for i in (0, 5)]
    assert all(number_by_text[0][i] != number_by_text[1][i] for i in range(23))  # each epoch draws other numbers


def test_batch_is_padded_to_its_longest_text():
    for x, y in training_batches(list(encoded(40)), add_random_number, 4, seed=1, epochs=1)[0]:
        ids = x["Input-Token"].numpy()
        assert (ids[:, -1] != 0).any()
        assert (ids.max(axis=1) == y["label"].numpy() + 1).all()
