import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kbert_tasks.data.batches import by_length, collate, order, training_batches

lengths = st.lists(st.integers(1, 200), min_size=1, max_size=300)


@given(lengths, st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_has_every_text_once(lengths, size, seed, epoch):
    batches = order(lengths, size, seed, epoch)
    assert len(batches) == -(-len(lengths) // size)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size


@given(lengths, st.integers(1, 40))
def test_prediction_batches_have_every_text_once_longest_first(lengths, size):
    batches = by_length(lengths, size)
    flat = np.concatenate(batches)
    assert sorted(flat) == list(range(len(lengths)))
    assert all(lengths[a] >= lengths[b] for a, b in zip(flat, flat[1:], strict=False))


def test_the_seed_repeats_the_order_and_epochs_differ():
    lengths = np.random.default_rng(0).integers(5, 100, 1000)
    first, again, other, next_epoch = (
        order(lengths, 32, seed, epoch) for seed, epoch in [(1, 0), (1, 0), (2, 0), (1, 1)]
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, next_epoch, strict=True))


def test_batches_hold_texts_of_like_length_but_not_always_the_same():
    lengths = np.random.default_rng(0).integers(5, 100, 10_000)
    batches = order(lengths, 32, 1, 0)
    padded = sum(lengths[b].max() * len(b) for b in batches)
    assert padded < 1.1 * lengths.sum()  # in random batches it is nearly twice as much
    assert len({tuple(sorted(b)) for b in batches} & {tuple(sorted(b)) for b in order(lengths, 32, 1, 1)}) < 5
    means = [lengths[b].mean() for b in batches]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2  # short and long batches come mixed


def test_collate_pads_every_axis():
    made = collate([{"a": np.array([1, 2]), "b": np.int32(5)}, {"a": np.array([3]), "b": np.int32(6)}], pad=-1)
    assert made["a"].tolist() == [[1, 2], [3, -1]]
    assert made["b"].tolist() == [5, 6]
    made = collate([{"a": np.ones((1, 2))}, {"a": np.ones((2, 1))}], pad=-1)
    assert made["a"].tolist() == [[[1, 1], [-1, -1]], [[1, -1], [1, -1]]]


def encoded(number):
    draw = np.random.default_rng(0)
    for i in range(number):
        n = draw.integers(3, 20)
        ids = np.full(n, i + 1, "int32")
        yield {"Input-Token": ids, "Input-Segment": np.zeros(n, "int32")}, {"label": np.int32(i)}


def drawn(x, target, chance):
    return x, target | {"number": np.int64(chance.integers(2**40))}


def test_training_resumes_from_any_step_with_the_same_batches():
    rows = list(encoded(23))
    whole, steps = training_batches(rows, drawn, 5, seed=3, epochs=3)
    assert steps == 5
    number = [y["number"].numpy().tolist() for _, y in whole]
    whole = [y["label"].numpy().tolist() for _, y in whole]
    assert len(whole) == 15
    for epoch in range(3):
        assert sorted(sum(whole[epoch * 5 : epoch * 5 + 5], [])) == list(range(23))
    rest, _ = training_batches(rows, drawn, 5, seed=3, epochs=3, first_step=7)
    assert [(y["label"].numpy().tolist(), y["number"].numpy().tolist()) for _, y in rest] == [
        *zip(whole[7:], number[7:], strict=True)
    ]
    drawn_by_text = [dict(zip(sum(whole[i : i + 5], []), sum(number[i : i + 5], []), strict=True)) for i in (0, 5)]
    assert all(drawn_by_text[0][i] != drawn_by_text[1][i] for i in range(23))  # anew in each epoch


def test_a_batch_is_padded_to_its_own_longest_text():
    for x, y in training_batches(list(encoded(40)), drawn, 4, seed=1, epochs=1)[0]:
        ids = x["Input-Token"].numpy()
        assert (ids[:, -1] != 0).any()
        assert (ids.max(axis=1) == y["label"].numpy() + 1).all()
