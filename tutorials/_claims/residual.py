"""Claims about residual networks that need no more than three steps of training."""

import _common
import keras
import numpy as np

import keras_initx
from _claims.claim import SEEDS, Measured, claim, text_of, verdict
from keras_initx.layers import Scale, ScaledWeightStandardization, Shift

# The paper trains the factors and offsets at a tenth of the learning rate.
SLOWER = 0.1


def predicted(model, x):
    """As float64."""
    return np.asarray(model.predict(x, verbose=0), "float64")


def dense(units, activation=None, **arguments):
    """A dense layer with He's kernel."""
    return keras.layers.Dense(
        units, activation, kernel_initializer="he_normal", **arguments
    )


def fixup_block(x, width):
    """A branch with the factor and the offsets of Fixup."""
    h = dense(width, use_bias=False)(Shift(gradient_scale=SLOWER)(x))
    h = keras.layers.ReLU()(Shift(gradient_scale=SLOWER)(h))
    h = dense(width, use_bias=False)(Shift(gradient_scale=SLOWER)(h))
    h = Scale(gradient_scale=SLOWER)(h)
    return x + Shift(gradient_scale=SLOWER)(h)


def residual_network(depth, width, block=fixup_block):
    """A classifier of digits with `depth` residual blocks."""
    inputs = keras.Input((8, 8, 1))
    x = dense(width, "relu")(keras.layers.Flatten()(inputs))
    for _ in range(depth):
        x = block(x, width)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def third_update(network, data, rate):
    """By how much the third step of SGD changes the logits, as root mean square."""
    x, y = data[:2]
    _common.compile_network(network)
    network.optimizer.learning_rate = rate
    for step in range(3):
        before = predicted(network, x[:200])
        place = slice(step * _common.BATCH_SIZE, (step + 1) * _common.BATCH_SIZE)
        network.train_on_batch(x[place], y[place])
    change = predicted(network, x[:200]) - before
    return float(np.sqrt(np.mean(change**2)))


@claim(
    "residual",
    "schemes.fixup initializers.FixupScaled layers.Scale layers.Shift",
    "Zhang et al. 2019",
    "A step of SGD changes the function by the same amount at any depth",
    trains=True,
    script="fixup.py",
)
def fixup_update(quick):
    """The third update of the logits at two depths."""
    depths, data = (2, 8) if quick else (10, 60), _common.load_data()
    seeds = SEEDS[:1] if quick else SEEDS
    networks = [residual_network(depth, 32) for depth in depths]
    ours, he = [], []
    for seed in seeds:
        keras_initx.reinitialize(networks[0], seed=seed)
        he.append(third_update(networks[0], data, 0.03))
        ours.append([])
        for network in networks:
            keras_initx.reinitialize(network, seed=seed)
            keras_initx.fixup(network)
            ours[-1].append(third_update(network, data, 0.03))
    ratios = [many / few for few, many in ours]
    return Measured(
        f"with {depths[1]} blocks {text_of(ratios)} times as much as with {depths[0]}; "
        f"He, {depths[0]} blocks: {text_of(he, '.0e')}",
        verdict(all(0.5 < ratio < 2 for ratio in ratios)),
        f"{depths[0]} and {depths[1]} blocks of 2 dense layers of 32",
        {"depths": depths, "updates": ours, "ratio": ratios, "he": he},
        seeds=seeds,
        rates=(0.03,),
    )


def stream(depth, width, rule, seed, x):
    """The deviation of what a stack of pre-normalized blocks adds up."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((width,))
    y = inputs
    for _ in range(depth):
        h = keras.layers.LayerNormalization()(y)
        h = keras.layers.Dense(width)(keras.layers.Dense(4 * width, "gelu")(h))
        y = y + h
    model = keras.Model(inputs, y)
    if rule:
        keras_initx.depth_scale(model, rule)
    return float(np.std(predicted(model, x) - x))


@claim(
    "residual",
    "schemes.depth_scale initializers.DepthScaled",
    "Radford et al. 2019",
    "Last kernels times 1 / sqrt(L) make up for what adds up on the residual path "
    "(sec. 2.3)",
)
def gpt2_stream(quick):
    """The growth of the sum of all branches from few to many blocks."""
    depths, width = (2, 8) if quick else (6, 96), 32
    ours, plain = [], []
    seeds = SEEDS[:1] if quick else SEEDS
    for seed in seeds:
        x = np.random.default_rng(seed).normal(size=(64, width)).astype("float32")
        for found, rule in [(ours, "gpt2"), (plain, "")]:
            few, many = (stream(depth, width, rule, seed, x) for depth in depths)
            found.append(many / few)
    return Measured(
        f"sum of the branches times {text_of(ours)} from {depths[0]} to {depths[1]} "
        f"blocks; without: times {text_of(plain)}",
        verdict(all(0.67 < ratio < 1.5 for ratio in ours)),
        f"pre-normalized blocks of {width} and {4 * width} GELU",
        {"depths": depths, "gpt2": ours, "plain": plain},
        seeds=seeds,
    )


@claim(
    "residual",
    "layers.ScaledWeightStandardization layers.residual_deviations "
    "activations.variance_gain",
    "Brock et al. 2021",
    "Without normalization the variance on the residual path is 1 + i alpha^2 before "
    "block i (sec. 3.2, 4)",
)
def normalizer_free_variance(quick):
    """The measured over the predicted variance of each block."""
    blocks, width = (6, 128) if quick else (24, 512)
    betas = keras_initx.layers.residual_deviations(blocks, alpha=0.5)
    ratios = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        x = np.random.default_rng(seed).normal(size=(64, width)).astype("float32")
        for beta in betas:
            ratios.append(float(np.mean(np.var(x, axis=0)) / beta**2))
            h = x / beta
            for _ in range(2):
                h = ScaledWeightStandardization(
                    keras.layers.Dense(width), gamma="relu"
                )(keras.ops.relu(h))
            x = x + 0.5 * keras.ops.convert_to_numpy(h)
    return Measured(
        f"variance {text_of(ratios)} of the predicted one",
        verdict(all(0.8 < ratio < 1.25 for ratio in ratios)),
        f"{blocks} blocks of 2 dense layers of {width}, alpha 0.5",
        {"ratios": ratios},
    )


def encoder(depth, width=16, length=8, trains_norms=True):
    """A post-normalized transformer that tells one of ten words at each place."""

    def add(x, h):
        # DeepNorm sets the factor, which is not trained.
        total = Scale(trainable=False)(x) + h
        return keras.layers.LayerNormalization(trainable=trains_norms)(total)

    inputs = keras.Input((length, width))
    x = inputs
    for _ in range(depth):
        x = add(x, keras.layers.MultiHeadAttention(2, width // 2)(x, x))
        h = keras.layers.Dense(4 * width, "relu")(x)
        x = add(x, keras.layers.Dense(width)(h))
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def first_update(network, x, y):
    """By how much one step of SGD changes the logits, as root mean square."""
    network.compile(
        keras.optimizers.SGD(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = predicted(network, x)
    network.train_on_batch(x, y)
    return float(np.sqrt(np.mean((predicted(network, x) - before) ** 2)))


def update_growth(depths, rule, trains_norms, seeds):
    """The first update of a deep network over that of a shallow one, per seed."""
    networks = [encoder(depth, trains_norms=trains_norms) for depth in depths]
    found = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        x = random.normal(size=(16, 8, 16)).astype("float32")
        y = random.integers(0, 10, (16, 8))
        updates = []
        for network in networks:
            # A factor that is not trained is left as it is.
            keras_initx.reinitialize(network, seed=seed)
            if rule:
                keras_initx.depth_scale(network, rule)
            updates.append(first_update(network, x, y))
        found.append(updates[1] / updates[0])
    return found


@claim(
    "residual",
    "schemes.depth_scale initializers.DepthScaled",
    "Wang et al. 2022",
    "DeepNorm bounds the update of the function by a step of SGD at any depth",
    trains=True,
)
def deepnorm_update(quick):
    """The growth of the first update with depth."""
    depths = (2, 4) if quick else (6, 24)
    seeds = SEEDS[:1] if quick else SEEDS
    found = {
        "all": update_growth(depths, "deepnorm", True, seeds),
        "kernels": update_growth(depths, "deepnorm", False, seeds),
        "post-norm": update_growth(depths, None, True, seeds),
    }
    limit = (depths[1] / depths[0]) ** 0.5
    is_flat = [np.mean(found[name]) < limit for name in ("all", "kernels")]
    return Measured(
        f"update from {depths[0]} to {depths[1]} layers times {text_of(found['all'])}, "
        f"without that of the normalizations times {text_of(found['kernels'])}; plain "
        f"post-norm: times {text_of(found['post-norm'])}",
        verdict(all(is_flat), any(is_flat)),
        f"encoder of width 16, {depths[0]} and {depths[1]} layers",
        found | {"depths": depths},
        seeds=seeds,
        rates=(1e-3,),
        why="The bound counts the kernels. What the offsets and factors of the "
        "normalizations learn adds up with depth.",
    )
