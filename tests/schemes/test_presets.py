"""The defaults of other libraries, compared with these libraries where they run."""

import math

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, to_numpy
from keras import layers
from limits import assert_distribution, assert_stddev

from keras_initx import reinitialize
from keras_initx.schemes._reinitialize.presets.by_name import PRESETS

same_on_each_backend = pytest.mark.same_on_each_backend


def draws(build, like, seeds=1):
    """All values of each variable, drawn with several seeds, by path."""
    model, found = build(), {}
    for seed in range(seeds):
        reinitialize(model, like=like, seed=seed)
        for variable in model.weights:
            found.setdefault(variable.path, []).append(to_numpy(variable).ravel())
    return {path: np.concatenate(values) for path, values in found.items()}


def uniform(bound):
    return lambda x: np.clip((x + bound) / (2 * bound), 0, 1)


def sum_of_uniforms(bound):
    """The triangular distribution on two bounds."""

    def function(x):
        t = np.clip(x / (2 * bound), -1, 1)
        return np.where(t < 0, (1 + t) ** 2 / 2, 1 - (1 - t) ** 2 / 2)

    return function


def normal(stddev):
    return lambda x: (1 + np.vectorize(math.erf)(x / stddev / math.sqrt(2))) / 2


def truncated(stddev, cut=2.0):
    """A normal distribution, cut off at so many deviations; `stddev` is before that."""
    inside = math.erf(cut / math.sqrt(2))

    def function(x):
        whole = np.vectorize(math.erf)(x / stddev / math.sqrt(2))
        return np.clip((whole / inside + 1) / 2, 0, 1)

    return function


# PyTorch


def layered(*stack, shape):
    return lambda: keras.Sequential([keras.Input(shape), *(make() for make in stack)])


def attention(width=32, heads=4, key_width=8, inputs=32):
    def build():
        x = keras.Input((3, inputs))
        layer = layers.MultiHeadAttention(heads, key_width, name="attention")
        return keras.Model(x, layer(x, x))

    return build


# For each variable, the bound of its uniform distribution, by PyTorch's documentation.
TORCH = {
    "linear": (
        layered(lambda: layers.Dense(60, name="x"), shape=(20,)),
        {"x/kernel": 1 / math.sqrt(20), "x/bias": 1 / math.sqrt(20)},
    ),
    "conv": (
        layered(lambda: layers.Conv2D(24, 3, groups=2, name="x"), shape=(5, 5, 8)),
        {"x/kernel": 1 / math.sqrt(9 * 4), "x/bias": 1 / math.sqrt(9 * 4)},
    ),
    "depthwise": (
        layered(lambda: layers.DepthwiseConv2D(3, name="x"), shape=(5, 5, 40)),
        {"x/kernel": 1 / 3, "x/bias": 1 / 3},
    ),
    "transposed": (
        layered(lambda: layers.Conv2DTranspose(10, 3, name="x"), shape=(5, 5, 30)),
        {"x/kernel": 1 / math.sqrt(9 * 10), "x/bias": 1 / math.sqrt(9 * 10)},
    ),
}
SEEDS = 40


@same_on_each_backend
@pytest.mark.parametrize("name", TORCH)
def test_kernels_and_biases_of_pytorch(name):
    build, bounds = TORCH[name]
    found = draws(build, "torch", SEEDS)
    for path, bound in bounds.items():
        (values,) = (v for p, v in found.items() if p.endswith(path))
        assert_distribution(values, uniform(bound))


@same_on_each_backend
def test_recurrent_layers_of_pytorch():
    """One bias of an LSTM is the sum of two; a GRU has both in Keras too."""
    bound = 1 / math.sqrt(9)
    lstm = draws(layered(lambda: layers.LSTM(9), shape=(2, 5)), "torch", SEEDS)
    gru = draws(layered(lambda: layers.GRU(9), shape=(2, 5)), "torch", SEEDS)
    for path, values in (*lstm.items(), *gru.items()):
        law = sum_of_uniforms if path.endswith("lstm_cell/bias") else uniform
        assert_distribution(values, law(bound))


@same_on_each_backend
def test_attention_of_pytorch():
    """Query, key and value as one kernel of three times the outputs; not if unequal."""
    for inputs, columns in ((32, 3 * 32), (20, 32)):
        found = draws(attention(inputs=inputs), "torch", 5)
        bound = math.sqrt(6 / (inputs + columns))
        for name in ("query", "key", "value"):
            assert_distribution(found[f"attention/{name}/kernel"], uniform(bound))
            assert not found[f"attention/{name}/bias"].any()
        values = found["attention/attention_output/kernel"]
        assert_distribution(values, uniform(1 / math.sqrt(32)))


@same_on_each_backend
def test_other_layers_of_pytorch():
    stack = [
        lambda: layers.Embedding(60, 20),
        lambda: layers.LayerNormalization(gamma_initializer="zeros"),
        lambda: layers.PReLU(),
    ]
    found = draws(layered(*stack, shape=(4,)), "torch", 2)
    table, gamma, beta, slope = found.values()
    assert_distribution(table, normal(1))
    assert (gamma == 1).all()
    assert not beta.any()
    assert (slope == 0.25).all()


def _arrays(module):
    return [p.detach().numpy().ravel() for p in module.parameters()]


@pytest.mark.skipif(BACKEND != "torch", reason="needs PyTorch")
def test_pytorch_itself_draws_like_this():
    """Two samples, ours and PyTorch's: Kolmogorov and Smirnov."""
    import torch  # noqa: TID251
    from scipy.stats import ks_2samp

    modules = {
        "linear": lambda: torch.nn.Linear(20, 60),
        "conv": lambda: torch.nn.Conv2d(8, 24, 3, groups=2),
        "depthwise": lambda: torch.nn.Conv2d(40, 40, 3, groups=40),
        "transposed": lambda: torch.nn.ConvTranspose2d(30, 10, 3),
    }
    torch.manual_seed(0)
    pairs = []
    for name, module in modules.items():
        ours = draws(TORCH[name][0], "torch", SEEDS).values()
        made = [module() for _ in range(SEEDS)]
        theirs = zip(*map(_arrays, made), strict=True)
        pairs += [(a, np.concatenate(b)) for a, b in zip(ours, theirs, strict=True)]
    lstm = draws(layered(lambda: layers.LSTM(9), shape=(2, 5)), "torch", SEEDS)
    made = [torch.nn.LSTM(5, 9) for _ in range(SEEDS)]
    parts = [_arrays(module) for module in made]
    kernel, recurrent, bias = lstm.values()
    pairs += [
        (kernel, np.concatenate([p[0] for p in parts])),
        (recurrent, np.concatenate([p[1] for p in parts])),
        (bias, np.concatenate([p[2] + p[3] for p in parts])),
    ]
    own = draws(attention(), "torch", 5)
    made = [torch.nn.MultiheadAttention(32, 4) for _ in range(5)]
    query = np.concatenate(
        [m.in_proj_weight.detach().numpy()[:32].ravel() for m in made]
    )
    output = np.concatenate([m.out_proj.weight.detach().numpy().ravel() for m in made])
    pairs += [
        (own["attention/query/kernel"], query),
        (own["attention/attention_output/kernel"], output),
    ]
    for ours, theirs in pairs:
        assert ours.size == theirs.size
        assert ks_2samp(ours, theirs).pvalue > 1e-4
    # The same test tells an error of 10 %.
    assert ks_2samp(1.1 * pairs[0][0], pairs[0][1]).pvalue < 1e-4


# Flax


@same_on_each_backend
def test_flax():
    stack = [
        lambda: layers.Conv1D(40, 3, name="conv"),
        lambda: layers.Conv1DTranspose(30, 2, name="transposed"),
        lambda: layers.LSTM(8, name="lstm"),
        lambda: layers.Dense(60, name="dense"),
    ]
    found = draws(layered(*stack, shape=(9, 20)), "flax", 10)
    found = {"/".join(path.split("/")[-2:]): values for path, values in found.items()}
    fans = {"conv": 3 * 20, "transposed": 2 * 40, "lstm_cell": 30, "dense": 8}
    for name, fan_in in fans.items():
        stddev = 1 / math.sqrt(fan_in) / 0.87962566103423978
        assert_distribution(found[f"{name}/kernel"], truncated(stddev))
        assert not found[f"{name}/bias"].any()
    for matrix in found["lstm_cell/recurrent_kernel"].reshape(10, 8, 4, 8):
        for gate in matrix.transpose(1, 0, 2):
            np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-5)
    table = draws(layered(lambda: layers.Embedding(90, 25), shape=(4,)), "flax", 4)
    assert_distribution(*table.values(), normal(0.2))


@pytest.mark.skipif(BACKEND != "jax", reason="needs JAX")
def test_jax_itself_draws_like_this():
    import jax  # noqa: TID251
    from scipy.stats import ks_2samp

    draw = jax.nn.initializers.lecun_normal()
    build = layered(lambda: layers.Conv1D(40, 3), shape=(9, 20))
    ours = next(iter(draws(build, "flax", 2).values()))
    theirs = [draw(jax.random.key(seed), (3, 20, 40)) for seed in range(2)]
    assert ks_2samp(ours, np.concatenate(theirs, axis=None)).pvalue > 1e-4
    draw = jax.nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
    build = layered(lambda: layers.Embedding(90, 25), shape=(4,))
    ours = next(iter(draws(build, "flax", 2).values()))
    theirs = [draw(jax.random.key(seed), (90, 25)) for seed in range(2)]
    assert ks_2samp(ours, np.concatenate(theirs, axis=None)).pvalue > 1e-4


# Language models


def transformer(depth=3, width=32):
    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(50, width, name="tokens")(tokens)
    for n in range(depth):
        h = layers.LayerNormalization(name=f"norm{n}")(x)
        h = layers.MultiHeadAttention(2, width // 2, name=f"attention{n}")(h, h)
        x = x + h
        h = layers.Dense(4 * width, "gelu", name=f"up{n}")(x)
        x = x + layers.Dense(width, name=f"down{n}")(h)
    return keras.Model(tokens, layers.Dense(50, name="head")(x))


@same_on_each_backend
def test_gpt2():
    """Two additions for each of three layers: the last kernels have 0.02 / sqrt(6)."""
    found = draws(transformer, "gpt2")
    last = [
        values
        for path, values in found.items()
        if "down" in path or "attention_output" in path
        if path.endswith("kernel")
    ]
    others = [
        values
        for path, values in found.items()
        if path.endswith(("kernel", "embeddings"))
        if "down" not in path and "attention_output" not in path
    ]
    assert len(last) == 6
    assert_stddev(np.concatenate(last), 0.02 / math.sqrt(6))
    assert_stddev(np.concatenate(others), 0.02)
    for path, values in found.items():
        if path.endswith(("bias", "beta", "gamma")):
            assert (values == path.endswith("gamma")).all()


@same_on_each_backend
def test_gpt2_needs_residual_branches():
    model = layered(lambda: layers.Dense(3), shape=(4,))()
    before = model.get_weights()
    with refuses(
        "`reinitialize` needs for like='gpt2' a Functional or Sequential model with "
        f"residual branches. Received: the model {model.name!r} of class Sequential. "
        "Use like='bert', and rules for the last kernel of each branch."
    ):
        reinitialize(model, like="gpt2")
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


@same_on_each_backend
def test_bert():
    found = draws(transformer, "bert")
    kernels = [v for p, v in found.items() if p.endswith(("kernel", "embeddings"))]
    assert_distribution(np.concatenate(kernels), truncated(0.02))
    assert not any(v.any() for p, v in found.items() if p.endswith(("bias", "beta")))


# Images


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight((1, 1, shape[-1]), "zeros", name="class_token")

    def call(self, inputs):
        return inputs + self.token


@same_on_each_backend
def test_timm_vit():
    stack = [
        lambda: layers.Conv2D(80, 4, 4, name="patches"),
        lambda: layers.Reshape((4, 80)),
        lambda: ClassToken(name="token"),
        lambda: layers.Dense(80, name="dense"),
    ]
    found = draws(layered(*stack, shape=(8, 8, 3)), "timm_vit", 4)
    found = {"/".join(path.split("/")[-2:]): values for path, values in found.items()}
    assert_distribution(found["patches/kernel"], uniform(1 / math.sqrt(48)))
    assert_distribution(found["patches/bias"], uniform(1 / math.sqrt(48)))
    assert_distribution(found["token/class_token"], normal(1e-6))
    assert_stddev(found["dense/kernel"], 0.02)
    assert not found["dense/bias"].any()


@same_on_each_backend
def test_torchvision_resnet_and_dcgan():
    stack = [
        lambda: layers.Conv2D(80, 3, groups=2, name="conv"),
        lambda: layers.BatchNormalization(name="norm"),
        lambda: layers.Flatten(),
        lambda: layers.Dense(70, name="dense"),
    ]
    build = layered(*stack, shape=(5, 5, 20))
    for like in ("torchvision_resnet", "dcgan"):
        found = draws(build, like, 3)
        found = {"/".join(p.split("/")[-2:]): v for p, v in found.items()}
        if like == "dcgan":
            assert_stddev(found["conv/kernel"], 0.02)
            assert abs(found["norm/gamma"].mean() - 1) < 0.02
            assert 0.01 < found["norm/gamma"].std() < 0.03
        else:
            # PyTorch counts the outputs of all groups.
            assert_stddev(found["conv/kernel"], math.sqrt(2 / (9 * 80)))
            assert (found["norm/gamma"] == 1).all()
            bound = 1 / math.sqrt(9 * 80)
            assert_distribution(found["dense/kernel"], uniform(bound))
        assert not found["norm/beta"].any()


# Policies


def actor_critic(names=("policy", "value"), units=(4, 1)):
    inputs = keras.Input((8,))
    x = layers.Dense(16, "tanh", name="hidden")(inputs)
    policy, value = (
        layers.Dense(n, name=name)(x) for n, name in zip(units, names, strict=True)
    )
    return keras.Model(inputs, [layers.Activation("tanh")(policy), value])


@same_on_each_backend
@pytest.mark.parametrize(
    ("names", "units", "gains"),
    [
        (("policy", "value"), (4, 1), (0.01, 1)),
        (("a", "b"), (4, 1), (0.01, 1)),
        (("a", "b"), (1, 1), (0.01, 1)),
        (("critic", "actor"), (1, 1), (1, 0.01)),
        (("values", "b"), (4, 3), (1, 0.01)),
    ],
)
def test_ppo(names, units, gains):
    model = actor_critic(names, units)
    reinitialize(model, like="ppo")
    wanted = {"hidden": math.sqrt(2), **dict(zip(names, gains, strict=True))}
    for name, gain in wanted.items():
        layer = model.get_layer(name)
        singular = np.linalg.svd(to_numpy(layer.kernel), compute_uv=False)
        np.testing.assert_allclose(singular, gain, rtol=1e-5)
        assert not to_numpy(layer.bias).any()


@same_on_each_backend
def test_ppo_needs_outputs():
    class Policy(keras.Model):
        def __init__(self):
            super().__init__(name="policy")
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Policy()
    model(np.ones((1, 3), "float32"))
    with refuses(
        "`reinitialize` needs for like='ppo' a Functional or Sequential model, whose "
        "outputs are known. Received: the model 'policy' of class Policy. Use rules, "
        "such as {'policy/kernel': HaarOrthogonal(gain=0.01)}."
    ):
        reinitialize(model, like="ppo")


# All of them


@same_on_each_backend
@pytest.mark.parametrize("like", PRESETS)
def test_rules_come_before_a_preset(like):
    model = transformer(depth=1) if like != "ppo" else actor_critic()
    path = model.weights[-2].path
    report = reinitialize(model, {path: "ones"}, like=like)
    assert (to_numpy(model.weights[-2]) == 1).all()
    rows = {row.path: row for row in report}
    assert rows[path].source == "rule"
    assert {row.source for row in report} <= {"rule", "preset", "layer"}
