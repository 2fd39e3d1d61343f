"""A whole model that starts as a linear function."""

import functools
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend.global_seeds import own_global_seeds
from keras_initx._backend.seeds import split
from keras_initx._model.changes import Changes
from keras_initx._model.dataflow import dataflow
from keras_initx._model.interrupts import hold_interrupts
from keras_initx._model.layer_tree import layer_tree
from keras_initx._model.one_seed import one_seed
from keras_initx._model.recorded import recorded
from keras_initx._model.trace import trace
from keras_initx._model.training_step import check_model
from keras_initx.schemes._looks_linear.float_inputs import check_inputs
from keras_initx.schemes._looks_linear.input_pairs import UnexcitedError
from keras_initx.schemes._looks_linear.mirror_pass import EndCheck, MirrorPass
from keras_initx.schemes._looks_linear.mirror_report import MirrorReport
from keras_initx.schemes._looks_linear.mirrored_draws import MirroredDraws
from keras_initx.schemes._looks_linear.rectifier_roles import OWNER, Roles
from keras_initx.schemes._looks_linear.samples import Samples

# The standard deviations of the inputs that are tried: large ones reach both sides of
# a rectifier where there are large biases.
_SCALES = (1.0, 64.0, 4096.0)


def looks_linear(
    model: keras.Model,
    x: Any = None,
    *,
    base: Any = "haar_orthogonal",
    seed: Any = None,
) -> MirrorReport:
    """Sets the kernels of a model so that it starts as a linear function.

    A pair of units f(z), f(-z) undoes the rectifier f if `f(x) - f(-x) = c x`: the next
    kernel takes the difference. Each kernel is drawn by `base`, of half the size, and
    mirrored as `initializers.LooksLinear` does it:

        [[W], [-W]] / c           "input": after `layers.CReLU`, or before the output
        [W, -W]                   "output": before the first plain rectifier
        [[W, -W], [-W, W]] / c    "both": between two of them

    So both kinds of networks work, and mixtures of them: those with `layers.CReLU`, and
    plain ones, whose layers need an even number of units. The model may be Functional,
    nested or subclassed.

    - Activations. c is 1 for ReLU, and 1 + a for a leaky ReLU of slope a. Derived here,
      not in the paper: any activation whose odd part is linear has such a c. It is 1
      for GELU, SiLU, hard SiLU, softplus and squareplus. ELU, SELU, Mish and tanh have
      none, which is an error. The last activation may be any, such as a softmax.
    - Between a rectifier and the next kernel may stand what keeps the pairs: `Flatten`,
      `Permute`, average pooling, padding, dropout. The `period` of the pairs and the
      `groups` of convolutions are found by themselves: the inputs of each kernel are
      looked at, on random samples. After a depthwise convolution the pairs are kept by
      equal kernels in both halves.
    - Residual networks work if pre-activations are added, and the rectifiers stand in
      the branches: x + f(x), where f begins with a rectifier.
    - What breaks the linear function is an error that names the layer: max-pooling,
      normalization after a rectifier, attention, a recurrent layer, an odd number of
      units. `BatchNormalization` before a rectifier is linear as long as its statistics
      stay.
    - Biases of layers before a plain rectifier become zero. Other biases stay: the
      model is then linear up to a constant.
    - What is frozen or quantized is left alone, as the report says.

    At the end the model is called on other random samples. Unless it is linear up to
    rounding, an error is raised. After an error the weights are bit for bit what they
    were.

    Examples:
    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(16, 3, activation="gelu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(32, activation="gelu"),
    ...     keras.layers.Dense(10, activation="softmax"),
    ... ])
    >>> report = keras_initx.schemes.looks_linear(model, seed=0)
    >>> [(row.mirror, row.period) for row in report]
    [('output', None), ('both', 16), ('input', 32)]
    >>> report.deviation < 1e-4
    True

    Args:
        model: keras.Model. Or any other layer. Its inputs are floats.
        x: A batch of inputs, as for `model(x)`, or a data set. Only its shapes matter.
            It is needed if the model is not a Functional or Sequential one. Defaults to
            `None`.
        base: str, `keras.initializers.Initializer` or dict. What draws W, by its axes
            and with a seed for each layer. Defaults to `"haar_orthogonal"`.
        seed: int, `keras.random.SeedGenerator` or None. None takes one from Python's
            generator, which `keras.utils.set_random_seed` sets. Defaults to `None`.

    Returns:
        A report: for each layer with a kernel `path`, `mirror`, `period`, `groups` and
        `note`; and the `deviation` from a linear function, and the `seed`. It prints as
        a table.

    Raises:
        ValueError: If the model cannot be made linear, if `x` is needed, or if inputs
            are integers.

    Reference:
        Balduzzi et al. 2017, "The shattered gradients problem: if resnets are the
        answer, then what is the question?", the "looks linear" initialization,
        https://arxiv.org/abs/1702.08591.
    """
    check_model(OWNER, model)
    initializer = keras.initializers.get(base)
    if initializer is None:
        raise _validate.error(
            OWNER,
            "a `base` initializer",
            "base=None",
            "Pass for example 'haar_orthogonal' or 'he_normal'.",
        )
    number = one_seed(OWNER, seed)
    find = functools.partial(dataflow, has_leaves=True)
    graph, like = recorded(OWNER, model, x, find)
    check_inputs(model, like, graph)
    roles = Roles(graph)
    if not roles.by_layer:
        raise _validate.error(
            OWNER,
            "a model that has layers with a kernel",
            f"the model {model.name!r} without one",
            "Pass the model that has the layers.",
        )
    for scale in _SCALES:
        try:
            return _mirror(model, roles, like, initializer, number, scale)
        except UnexcitedError:
            continue
    raise _validate.error(
        OWNER,
        "random inputs that show how the units of a rectifier stand in pairs",
        f"the model {model.name!r}, in which those up to a standard deviation of "
        f"{_SCALES[-1]:g} do not",
        "Set the biases to zero, and take a `base` that draws different units.",
    )


def _mirror(
    model: keras.layers.Layer,
    roles: Roles,
    like: Any,
    base: Any,
    seed: int,
    scale: float,
) -> MirrorReport:
    """Draws all kernels and checks the model, on inputs of this scale."""
    paths = {id(place.layer): place.path for place in layer_tree(model)}
    first, second = (Samples(like, each, scale) for each in split(seed, 2))
    changes = Changes()
    with hold_interrupts(), own_global_seeds(), changes:
        draws = MirroredDraws(base, seed, paths, changes)
        trace(model, first.inputs, MirrorPass(roles, first, draws))
        check = EndCheck(roles, second)
        output = trace(model, second.inputs, check)
        if roles.has_linear_end:
            check.check_output(model, output)
    return MirrorReport(draws.rows, check.deviation, seed)
