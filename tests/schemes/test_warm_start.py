"""`warm_start`: what is kept of the function and of the weights of the source."""

import functools

import keras
import numpy as np
import pytest
import start_models as models
from catalogue import to_numpy
from keras import layers
from start_models import outputs, randomized, samples, weights_of

from keras_initx import warm_start

RANDOM = np.random.default_rng(0)
KINDS = {
    "chain": models.chain,
    "convolutions": models.convolutions,
    "dense blocks": models.dense_blocks,
    "recurrent": models.recurrent,
    "transformer": models.transformer,
    "nested": models.nested,
    "post-normalized": models.post_normalized,
    "grouped queries": models.grouped_queries,
    "tied": models.tied,
}
# JAX compiles each of these models; their code is the same on each backend.
pytestmark = pytest.mark.same_on_each_backend


def assert_same_function(model, source, inputs=None):
    inputs = samples(source) if inputs is None else inputs
    expected = outputs(source, inputs)
    error = np.abs(outputs(model, inputs) - expected).max()
    assert error < 1e-5 * max(1.0, np.abs(expected).max())


def actions(report):
    return {row.path: row.action for row in report}


@pytest.mark.parametrize("name", KINDS)
def test_equal_shapes_are_taken_bit_for_bit(name):
    source = randomized(KINDS[name]())
    model = KINDS[name]()
    report = warm_start(model, source)
    assert report.counts()["taken"] == len(report) == len(model.weights)
    for one, other in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("post-normalized", {"width": 24, "heads": 4, "key_dim": 6, "hidden": 36}),
        ("grouped queries", {"width": 16, "key_dim": 6}),
        ("chain", {"width": 12}),
        ("chain", {"width": 7}),
        ("convolutions", {"width": 7}),
        ("dense blocks", {"width": 6}),
        ("recurrent", {"width": 5}),
        ("nested", {"width": 9}),
        ("transformer", {"width": 16}),
        ("transformer", {"heads": 3}),
        ("transformer", {"key_dim": 7}),
        ("transformer", {"hidden": 20}),
        ("transformer", {"width": 24, "heads": 4, "key_dim": 8, "hidden": 30}),
        ("transformer", {"depth": 4}),
        ("transformer", {"width": 16, "hidden": 24, "depth": 3}),
        ("transformer", {"words": 13}),
        ("convolutions", {"depth": 4}),
        ("convolutions", {"depth": 3, "width": 8}),
    ],
)
def test_a_larger_model_keeps_the_function(name, change):
    source = randomized(KINDS[name]())
    model = randomized(KINDS[name](**change), 7)
    for variable in model.weights:
        if "beta" in variable.path or "bias" in variable.path:
            variable.assign(np.zeros(variable.shape))
    report = warm_start(model, source, seed=1)
    assert_same_function(model, source)
    assert report.unused == []
    assert report.notes == []


def test_copies_of_a_unit_learn_different_things():
    """With equal parts their gradients would be the same for ever."""
    source = randomized(models.chain())
    model = models.chain(12)
    warm_start(model, source, seed=1)
    kernels = [to_numpy(w) for w in model.weights if w.path.endswith("kernel")]
    np.testing.assert_array_equal(kernels[0][:, :6], kernels[0][:, 6:])
    assert np.all(kernels[1][:6] != kernels[1][6:])
    again, other = models.chain(12), models.chain(12)
    warm_start(again, source, seed=1)
    warm_start(other, source, seed=2)
    for one, same, different in zip(
        model.weights, again.weights, other.weights, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(same))
        if one.ndim == 2 and one.shape[0] > 5:
            assert np.abs(to_numpy(one) - to_numpy(different)).max() > 1e-3


def test_uneven_copies_under_a_normalization_are_reported():
    source = randomized(models.transformer())
    report = warm_start(models.transformer(width=12), source, seed=1)
    assert report.notes == [
        "8 units become 12, and a normalization takes the mean over them: the function "
        "is kept only if 12 is a multiple of 8."
    ]


def test_a_table_that_is_read_in_both_directions():
    """More words are new; more units would be summed over twice."""
    source = randomized(models.tied())
    model = models.tied(words=9)
    report = warm_start(model, source, seed=1)
    assert [row.rule for row in report if row.action == "resized"] == ["vocabulary"]
    inputs = samples(source)
    kept = outputs(model, inputs)[..., :7]
    np.testing.assert_allclose(kept, outputs(source, inputs), atol=1e-6)
    with pytest.raises(ValueError, match=r"\(a table is read in both directions; "):
        warm_start(models.tied(8), source)
    report = warm_start(models.tied(4, 9), source, rules={"up/*": None})
    assert [row.action for row in report].count("left") == 2


def test_new_blocks_that_normalize_the_stream_are_reported():
    source = randomized(models.post_normalized())
    report = warm_start(models.post_normalized(depth=3), source)
    assert report.counts()["zeroed"] == 4
    (note,) = report.notes
    assert note.endswith(
        ", ...: new too, and in no new branch. The function is not that of the source."
    )
    assert "layer_normalization" in note


def test_a_normalization_without_weights_is_reported():
    def network(width):
        inputs = keras.Input((5,))
        x = layers.UnitNormalization(name="unit")(layers.Dense(width)(inputs))
        return keras.Model(inputs, layers.Dense(2)(x))

    report = warm_start(network(8), randomized(network(4)), seed=1)
    assert report.notes == [
        "unit: a normalization without weights, which may take a sum over copies of "
        "units. Then the function is not that of the source."
    ]


def test_names_that_begin_with_that_of_the_model():
    def network(name, depth):
        inputs = keras.Input((4,))
        x = inputs
        for n in range(depth):
            x = x + layers.Dense(4, name=f"{name}_block_{n}")(x)
        return keras.Model(inputs, x, name=name)

    source, model = randomized(network("small", 2)), network("large", 3)
    report = warm_start(model, source)
    assert report.counts() == {"taken": 4, "resized": 0, "zeroed": 2, "left": 0}
    assert_same_function(model, source)


def test_parts_that_are_joined_with_new_ones_are_left():
    """In a DenseNet with more layers the later kernels read more than they did."""

    def network(depth):
        inputs = keras.Input((4,))
        x = inputs
        for n in range(depth):
            x = layers.Concatenate()([x, layers.Dense(3, name=f"d{n}")(x)])
        return keras.Model(inputs, layers.Dense(2, name="head")(x))

    report = warm_start(network(3), randomized(network(2)))
    assert {row.path: row.note for row in report if row.note} == {
        "d2/kernel": "not in the source",
        "d2/bias": "not in the source",
        "head/kernel": "it reads layers that the source does not have",
    }


def test_a_smaller_model_has_units_at_even_distances():
    source = randomized(models.chain(12))
    model = models.chain(4)
    report = warm_start(model, source)
    old, new = ({w.path: to_numpy(w) for w in m.weights} for m in (source, model))
    old, new = list(old.values()), list(new.values())
    np.testing.assert_array_equal(new[0], old[0][:, [0, 3, 6, 9]])
    second = next(w for w in new if w.shape == (4, 8))
    expected = next(w for w in old if w.shape == (12, 24))
    chosen = [0, 3, 6, 9, 12, 15, 18, 21]
    np.testing.assert_array_equal(second, expected[[0, 3, 6, 9]][:, chosen])
    assert {row.rule for row in report} == {"select", ""}


def test_fewer_layers_are_the_first_ones():
    source = randomized(models.convolutions(depth=4))
    model = models.convolutions(depth=2)
    report = warm_start(model, source)
    assert report.counts()["taken"] == len(report)
    ours, theirs = (
        [to_numpy(w) for w in m.weights if w.shape == (3, 3, 4, 8)]
        for m in (model, source)
    )
    for one, other in zip(ours, theirs, strict=False):
        np.testing.assert_array_equal(one, other)


def test_other_classes_leave_the_head():
    source = randomized(models.convolutions())
    model = models.convolutions(classes=5)
    before = weights_of(model)
    report = warm_start(model, source)
    head = [row for row in report if row.action != "taken"]
    assert [row.note for row in head] == ["other class count"] * 2
    assert [row.shape for row in head] == [(64, 5), (5,)]
    for row in head:
        np.testing.assert_array_equal(weights_of(model)[row.path], before[row.path])
    # A rule takes the classes that both have.
    kernel, bias = (row.path for row in head)
    report = warm_start(model, source, rules={kernel: "common", bias: "common"})
    after = weights_of(model)[kernel]
    np.testing.assert_array_equal(after[:, :3], to_numpy(source.weights[-2]))
    np.testing.assert_array_equal(after[:, 3:], before[kernel][:, 3:])
    assert actions(report)[bias] == "resized"


def test_grey_images():
    source = randomized(models.convolutions())
    model = models.convolutions(channels=1)
    report = warm_start(model, source)
    assert report[0].rule == "channels"
    grey = RANDOM.normal(size=(2, 6, 6, 1)).astype("float32")
    expected = outputs(source, np.repeat(grey, 3, -1))
    np.testing.assert_allclose(outputs(model, grey), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4, 5, 6])
def test_other_channels_are_repeated_in_turn(channels):
    source = randomized(models.convolutions())
    model = models.convolutions(channels=channels, width=8)
    warm_start(model, source)
    old = to_numpy(source.weights[0]).astype("float64")
    expected = np.stack([old[:, :, n % 3] * 3 / channels for n in range(channels)], 2)
    kernel = to_numpy(model.weights[0])
    np.testing.assert_allclose(kernel[..., :4], expected, rtol=1e-6)


def test_a_larger_vocabulary():
    source = randomized(models.transformer(words=400))
    table = to_numpy(source.get_layer("embedding").words.embeddings)
    mixed = table @ RANDOM.normal(size=(8, 8)) + RANDOM.normal(size=8)
    source.get_layer("embedding").words.embeddings.assign(mixed)
    model = models.transformer(words=40_400)
    report = warm_start(model, source, seed=3)
    assert report[0].rule == "vocabulary"
    new = to_numpy(model.get_layer("embedding").words.embeddings)
    old = to_numpy(source.get_layer("embedding").words.embeddings)
    np.testing.assert_array_equal(new[:400], old)
    # Standard errors of 40 000 draws: of a mean, and of an entry of the covariance.
    deviation = old.std(axis=0)
    assert np.all(np.abs(new[400:].mean(0) - old.mean(0)) < 6 * deviation / 200)
    scale = np.outer(deviation, deviation)
    error = np.abs(np.cov(new[400:].T, bias=True) - np.cov(old.T, bias=True)) / scale
    assert error.max() < 6 * np.sqrt(2) / 200
    assert_same_function(model, source)


def test_a_vocabulary_with_fewer_words_than_numbers():
    """Its covariance is singular: new rows lie where the old ones do."""
    source = keras.Sequential([layers.Input((2,)), layers.Embedding(3, 8)])
    model = keras.Sequential([layers.Input((2,)), layers.Embedding(50, 8)])
    warm_start(model, randomized(source), seed=1)
    old, new = to_numpy(source.weights[0]), to_numpy(model.weights[0])
    plane = (old - old.mean(0))[:2]
    large = keras.Sequential([layers.Input((2,)), layers.Embedding(20_003, 8)])
    warm_start(large, source, seed=1)
    drawn = to_numpy(large.weights[0])[3:].astype("float64")
    # The standard error of the variance of 20 000 draws is 1 % of it.
    total = np.var(drawn, axis=0).sum() / np.var(old, axis=0).sum()
    assert abs(total - 1) < 0.05
    rest = np.linalg.lstsq(plane.T, (new - old.mean(0)).T, rcond=None)[0]
    np.testing.assert_allclose(rest.T @ plane + old.mean(0), new, atol=1e-5)


@models.quickly_built
def language_model(words=7, width=4):
    inputs = keras.Input((3,), dtype="int32")
    x = layers.Embedding(words, width)(inputs)
    return keras.Model(inputs, layers.Dense(words)(layers.Dense(width, "relu")(x)))


def test_the_output_of_a_language_model_keeps_its_words():
    source, model = randomized(language_model()), language_model(10)
    report = warm_start(model, source, seed=1)
    assert [row.rule for row in report if row.action == "resized"] == ["vocabulary"] * 3
    inputs = np.array([[0, 3, 6]], "int32")
    kept = outputs(model, inputs)[..., :7]
    np.testing.assert_allclose(kept, outputs(source, inputs), atol=1e-6)
    wider = language_model(10, 8)
    warm_start(wider, source, seed=1)
    kept = outputs(wider, inputs)[..., :7]
    np.testing.assert_allclose(kept, outputs(source, inputs), atol=1e-5)


def test_longer_and_shorter_positions():
    source = randomized(models.transformer())
    old = to_numpy(source.get_layer("embedding").positions.embeddings).astype("float64")
    model = models.transformer(steps=9)
    report = warm_start(model, source)
    assert actions(report)["embedding/positions/embeddings"] == "resized"
    new = to_numpy(model.get_layer("embedding").positions.embeddings)
    np.testing.assert_allclose(new[::2], old, rtol=1e-6)
    np.testing.assert_allclose(new[1::2], (old[1:] + old[:-1]) / 2, atol=1e-6)
    model = models.transformer(steps=3, width=16)
    warm_start(model, source)
    new = to_numpy(model.get_layer("embedding").positions.embeddings)
    np.testing.assert_array_equal(new, np.concatenate([old[:3], old[:3]], 1))


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        ops = keras.ops
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)


class PositionTable(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=(1, *shape[1:]), name="table")

    def call(self, x):
        return x + self.table


@models.quickly_built
def vision_transformer(size=8, width=4):
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(width, 2, 2, name="patches")(inputs)
    x = layers.Reshape((-1, width))(x)
    x = PositionTable(name="places")(ClassToken(name="token")(x))
    x = x + layers.MultiHeadAttention(2, 2)(x, x)
    return keras.Model(inputs, layers.Dense(3)(layers.LayerNormalization()(x)[:, 0]))


def test_positions_on_a_grid():
    source = randomized(vision_transformer())
    table = np.zeros((1, 17, 4))
    rows, _ = np.mgrid[:4, :4]
    # A straight plane is interpolated exactly, away from the border.
    table[0, 1:, 0], table[0, 1:, 1] = rows.reshape(-1), 5.0
    table[0, 0] = 7.0
    source.get_layer("places").table.assign(table)
    model = vision_transformer(16)
    report = warm_start(model, source)
    assert actions(report)["places/table"] == "resized"
    assert next(row for row in report if row.path == "places/table").rule == "grid"
    new = to_numpy(model.get_layer("places").table)[0]
    np.testing.assert_array_equal(new[0], [7, 7, 7, 7])
    grid = new[1:].reshape(8, 8, 4)
    np.testing.assert_allclose(grid[..., 1], 5, rtol=1e-6)
    centres = (np.arange(8) + 0.5) / 2 - 0.5
    inner = slice(3, 5)
    np.testing.assert_allclose(grid[inner, :, 0].T, [centres[inner]] * 8, atol=1e-6)
    wider = vision_transformer(width=8)
    warm_start(wider, source, seed=1)
    assert_same_function(wider, source)


class Mixture(layers.Layer):
    """Two experts, whose outputs a softmax of the inputs averages."""

    def __init__(self, experts, units, **arguments):
        super().__init__(**arguments)
        self.experts, self.units = experts, units

    def build(self, shape):
        def add(*shape, name):
            return self.add_weight(shape=shape, name=name)

        self.kernel = add(self.experts, shape[-1], self.units, name="kernel")
        self.bias = add(self.experts, self.units, name="bias")
        self.router = add(shape[-1], self.experts, name="router")

    def call(self, x):
        ops = keras.ops
        parts = ops.einsum("bi,eio->beo", x, self.kernel) + self.bias
        weights = ops.softmax(ops.matmul(x, self.router))
        return ops.einsum("beo,be->bo", parts, weights)


@models.quickly_built
def with_experts(make):
    inputs = keras.Input((4,))
    x = layers.Activation("relu")(make(name="inner")(inputs))
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def test_a_mixture_of_experts():
    source = randomized(with_experts(functools.partial(layers.Dense, 6)))
    model = randomized(with_experts(functools.partial(Mixture, 3, 6)), 2)
    report = warm_start(model, source)
    assert_same_function(model, source)
    assert {row.path: row.rule for row in report if row.action == "resized"} == {
        "inner/kernel": "experts",
        "inner/bias": "experts",
    }
    assert actions(report)["inner/router"] == "left"


def test_new_blocks_end_with_a_normalization():
    """As in ResNet: its gamma is zero then, and the kernels stay as they are drawn."""

    def network(depth):
        inputs = keras.Input((6, 6, 4))
        x = inputs
        for n in range(depth):
            h = layers.Conv2D(4, 3, padding="same", name=f"c{n}")(x)
            h = layers.BatchNormalization(name=f"n{n}")(h)
            x = layers.ReLU()(x + h)
        return keras.Model(inputs, layers.Dense(2, name="head")(x))

    source, model = randomized(network(2)), network(4)
    report = warm_start(model, source)
    zeroed = [row.path for row in report if row.action == "zeroed"]
    assert zeroed == ["n2/gamma", "n2/beta", "n3/gamma", "n3/beta"]
    assert np.abs(to_numpy(model.get_layer("c3").kernel)).max() > 0
    assert_same_function(model, source)
    model = network(4)
    report = warm_start(model, source, rules={"n3/*": None})
    assert "zeroed" not in {row.action for row in report if row.path.startswith("n3")}


def test_a_subclassed_model():
    source, model = randomized(models.subclassed()), models.subclassed(classes=5)
    report = warm_start(model, source)
    left = [row for row in report if row.action != "taken"]
    assert [row.note for row in left] == ["other class count"] * 2
    smaller = models.subclassed(hidden=3, depth=1)
    report = warm_start(smaller, source)
    assert report.counts()["left"] == 0
    wider = models.subclassed(hidden=12)
    notes = {row.note for row in warm_start(wider, source) if row.action == "left"}
    assert notes == {"what the model computes is not known"}


def test_by_name_and_by_shape():
    source = randomized(models.nested())
    inner = keras.Sequential(
        [layers.Input((4,)), layers.Dense(6, "relu"), layers.Dense(6)], name="inner"
    )
    model = keras.Sequential([layers.Input((4,)), layers.Dense(4), inner])
    report = warm_start(model, source, match="name")
    assert list(actions(report).values()) == ["left"] * 2 + ["taken"] * 4
    report = warm_start(inner, source, match="shape")
    assert report.counts()["taken"] == 4
    # The source is a part of the model.
    model = models.nested()
    report = warm_start(model, source.get_layer("inner"), match="name")
    assert list(actions(report).values()) == ["taken"] * 4 + ["left"] * 2
    assert report.unused == []


def test_numbers_of_a_program_do_not_matter():
    keras.utils.clear_session()
    source = randomized(models.chain())
    layers.Dense(1), layers.Dense(1), layers.BatchNormalization()
    model = models.chain()
    assert {w.path for w in model.weights} != {w.path for w in source.weights}
    report = warm_start(model, source)
    assert report.counts()["taken"] == len(report)
    assert_same_function(model, source)


def test_rules():
    source, model = randomized(models.nested()), models.nested()
    before = weights_of(model)
    seen = []

    def doubled(old, shape):
        seen.append((old.shape, shape))
        return 2 * old

    def is_bias(layer, variable):
        return isinstance(layer, layers.Dense) and variable.name == "bias"

    report = warm_start(
        model, source, rules={"head/*": None, is_bias: doubled, layers.Dense: "common"}
    )
    after, old = weights_of(model), list(weights_of(source).values())
    np.testing.assert_array_equal(after["head/kernel"], before["head/kernel"])
    np.testing.assert_array_equal(to_numpy(model.weights[1]), 2 * old[1])
    np.testing.assert_array_equal(to_numpy(model.weights[0]), old[0])
    assert seen == [((6,), (6,))] * 2
    assert [row.rule for row in report] == [
        "", "doubled", "", "doubled", "None", "None"
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_dtypes(dtype):
    source = randomized(models.chain())
    with_dtype = keras.dtype_policies.DTypePolicy(dtype)
    inputs = keras.Input((5,))
    x = layers.Dense(12, "tanh", dtype=with_dtype)(inputs)
    x = layers.BatchNormalization(dtype=with_dtype)(x)
    x = layers.PReLU(dtype=with_dtype)(x)
    x = layers.Dense(24, dtype=with_dtype)(x)
    model = keras.Model(inputs, layers.Dense(3, dtype=with_dtype)(x))
    dtypes = [w.dtype for w in model.weights]
    warm_start(model, source, seed=1)
    assert [w.dtype for w in model.weights] == dtypes
    inputs = samples(source)
    expected = outputs(source, inputs)
    np.testing.assert_allclose(
        outputs(model, inputs).astype("float32"), expected, atol=0.1
    )
    # And back: what a bfloat16 holds is a float32.
    back = models.chain(12)
    warm_start(back, model)
    for one, other in zip(back.weights, model.weights, strict=True):
        np.testing.assert_array_equal(
            to_numpy(one), to_numpy(keras.ops.cast(other, "float32"))
        )


def test_the_report_prints():
    source = randomized(models.nested())
    report = warm_start(models.nested(9), source, rules={"head/bias": None}, seed=1)
    text = str(report)
    assert "head/kernel" in text
    assert text.endswith(
        "5 resized, 1 left.\n1 variable of the source went nowhere: head/bias."
    )
    assert report.to_dict()["variables"][5]["rule"] == "None"
    assert len([*report]) == 6
    assert str(warm_start(models.nested(), source)).endswith("\n6 taken.")


def test_the_optimizer_is_left():
    source, model = randomized(models.chain()), models.chain()
    model.compile("adam", "mse")
    model.fit(np.ones((2, 5)), np.ones((2, 3)), verbose=0)
    before = [to_numpy(v).copy() for v in model.optimizer.variables]
    warm_start(model, source)
    for one, other in zip(before, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, to_numpy(other))


def test_units_that_are_not_treated_one_by_one():
    """The model reverses its units: copies of one are then not where they should be."""

    def network(width):
        inputs = keras.Input((4,))
        x = layers.Dense(width, name="a")(inputs)
        x = keras.ops.cumsum(x, axis=-1)
        return keras.Model(inputs, layers.Dense(2, name="b")(layers.Dense(3)(x)))

    source, model = randomized(network(3)), network(6)
    before = weights_of(model)
    with pytest.raises(ValueError, match="copies of one unit differ"):
        warm_start(model, source)
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])
