"""New weights for a built model, without building it again."""

import contextlib
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._backend.global_seeds import own_global_seeds
from keras_initx._model.changes import Changes
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts
from keras_initx._model.layer_tree import kept_states
from keras_initx._model.model_variables import ModelVariable, model_variables
from keras_initx._model.one_seed import one_seed
from keras_initx._model.optimizers import (
    begin_again,
    copies_follow,
    optimizers_of,
)
from keras_initx._model.selection import Selection
from keras_initx._model.variable_rules import VariableRules
from keras_initx.schemes._reinitialize.draw_report import DrawReport, DrawRow
from keras_initx.schemes._reinitialize.presets.by_name import PRESETS
from keras_initx.schemes._reinitialize.rules_json import EXAMPLE
from keras_initx.schemes._reinitialize.variable_draws import Draws

_OWNER = "reinitialize"


def reinitialize(
    model: keras.Model,
    rules: Any = None,
    *,
    seed: Any = None,
    layers: Any = None,
    like: str | None = None,
    optimizer: bool = True,
) -> DrawReport:
    """Draws the weights of a model again, without building or compiling it again.

    Each variable becomes what it would be in a new model: kernels, biases with LSTM's
    forget gate, embeddings, the parameters and moving statistics of normalizations,
    the states of seed generators, and what a layer of one's own draws. For that each
    layer is made once more from its config, and asked what it draws.

    `rules` and `like` put other initializers in the place of the layer's own. These
    draw by the axes and fans that the kernel has in its layer: in depthwise, grouped
    and transposed convolutions, in attention, and for each gate of a recurrent layer.
    The layer's own initializer draws as Keras does, also where Keras counts other fans.

    The seed of each variable is a hash of `seed` and of its place in the model. So
    query, key and value differ, also if they share an initializer with an integer seed,
    and a layer that is added changes no other one's weights. Automatic names, such as
    `dense_3`, count within the model; give names to layers that must keep their weights
    when one of their kind is added before them.

    What is left alone, as the report says: what is frozen (`trainable=False`, or by
    LoRA), quantized, or learned by `adapt`; and what cannot be known, because a layer
    has no config.

    No function is traced or compiled anew, as the variables stay the same: it is made
    for the folds of a cross-validation. If an error is raised, all weights and the
    state of the optimizer are bit for bit what they were.

    Examples:
    >>> inputs = keras.Input((8,))
    >>> model = keras.Model(inputs, keras.layers.Dense(4, name="head")(inputs))
    >>> report = keras_initx.schemes.reinitialize(model, seed=1)
    >>> report[0].path, report[0].initializer
    ('head/kernel', 'GlorotUniform')
    >>> rules = {"*/kernel": "orthogonal_delta", "head/bias": "ones"}
    >>> report = keras_initx.schemes.reinitialize(model, rules, seed=1)
    >>> report[1].initializer, model.get_weights()[1].tolist()
    ('Ones', [1.0, 1.0, 1.0, 1.0])
    >>> keras_initx.schemes.reinitialize(model, like="torch")[1].initializer
    'RandomUniform'

    Args:
        model: keras.Model. A built one, or any other layer.
        rules: dict or `Rules`. From a pattern for the path of a variable
            (`"*/query/kernel"`), a layer class (its kernels, and those within it) or a
            function `(layer, variable)`, to an initializer, its id, or None: leave it
            as it is. Of several rules that match, the first one holds. Defaults to
            `None`.
        seed: int, `keras.random.SeedGenerator` or None. None takes one from Python's
            generator, which `keras.utils.set_random_seed` sets. Defaults to `None`.
        layers: str, class, function, layer, or a list of these. Which layers to draw:
            by name or path, by class, by a function of the layer; with all that is
            within them. Defaults to `None`: all.
        like: str. Draws as another library or paper does, biases and embeddings
            included: `"torch"`, `"flax"`, `"gpt2"`, `"bert"`, `"timm_vit"`, `"ppo"`,
            `"dcgan"` or `"torchvision_resnet"`. Rules come first. What the preset does
            not name is drawn as in a new model. Defaults to `None`.
        optimizer: bool. Whether the slots and `iterations` of the optimizer begin again
            too. Its learning rate stays. Defaults to `True`.

    Returns:
        A report: for each variable `path`, `shape`, `source`, `initializer` and `note`;
        and the `seed`. It prints as a table.

    Raises:
        ValueError: If the model is not built, if a rule matches nothing or names no
            initializer, or if the preset is not known or does not fit the model.

    Reference:
        The presets: PyTorch's `torch.nn`; Flax's `flax.linen`; Radford et al. 2019,
        "Language models are unsupervised multitask learners", section 2.3; Devlin et
        al. 2018, https://arxiv.org/abs/1810.04805; timm's `vision_transformer`; Huang
        et al. 2022, "The 37 implementation details of proximal policy optimization",
        detail 2; Radford, Metz and Chintala 2015, section 4,
        https://arxiv.org/abs/1511.06434; He et al. 2015,
        https://arxiv.org/abs/1502.01852.
    """
    if not isinstance(model, keras.layers.Layer):
        raise _validate.error(
            _OWNER, "a Keras model or layer", f"model={model!r}", "Pass the model."
        )
    chosen = VariableRules(_OWNER, rules, EXAMPLE, only_kernels=True)
    if like is not None:
        _validate.choice(_OWNER, "like", like, tuple(PRESETS))
    variables = model_variables(model)
    if not variables:
        raise _not_built(model)
    draws = Draws(
        chosen,
        {} if like is None else PRESETS[like](model, variables),
        Selection(_OWNER, layers, "layers with variables"),
        one_seed(_OWNER, seed),
    )
    draws.check(variables)
    changes = Changes()
    kept = contextlib.nullcontext() if optimizer else copies_follow(model)
    with hold_interrupts(), own_global_seeds(), changes, kept:
        rows = [_draw(draws, each, changes) for each in variables]
        for state in _states(variables):
            changes.assign(state, keras.ops.zeros(state.shape, state.dtype))
        if optimizer:
            for each in optimizers_of(model):
                begin_again(each, changes.assign)
    return DrawReport(rows, draws.seed)


def _draw(draws: Draws, each: ModelVariable, changes: Changes) -> DrawRow:
    """Draws one variable, unless it is left alone."""
    with allow_interrupts():
        row, value = draws(each)
    if value is not None:
        changes.assign(each.variable, value)
    return row


def _states(variables: list[ModelVariable]) -> list[keras.Variable]:
    """What stateful recurrent layers remember of the last batch."""
    parents = {id(one): one for each in variables for one in each.parents}
    return [state for one in parents.values() for state in kept_states(one)]


def _not_built(model: keras.layers.Layer) -> ValueError:
    return _validate.error(
        _OWNER,
        "a built model",
        f"the model {model.name!r} of class {type(model).__name__}, which has no "
        "variables",
        "Call it on a batch first, or `model.build(input_shape)`.",
    )
