"""Other defaults for the initializers of layers, within a context."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_initx import _validate
from keras_initx.config._defaults.layer_hooks import supplied
from keras_initx.config._defaults.supply import Supply

_OWNER = "default_initializers"


@contextlib.contextmanager
def default_initializers(
    *,
    kernel: Any = None,
    bias: Any = None,
    recurrent: Any = None,
    embeddings: Any = None,
) -> Iterator[None]:
    """Context manager: layers that are made in it take other default initializers.

    A layer takes them where it would take Keras's default: `"glorot_uniform"` for
    kernels, `"zeros"` for biases, `"orthogonal"` for recurrent kernels, `"uniform"` for
    embeddings. What the caller names stays, also if it is the default. So does the
    default of a class that is not Keras's, such as a class of your own with
    `kernel_initializer="he_normal"`. A weight of rank 2 or more that a layer adds
    without an initializer is a kernel too. Scales, offsets and moving statistics of
    normalization are no biases.

    The arguments of a layer's constructor are known by their names, which are those of
    Keras. It is decided when a layer is made. A layer that is made in the context and
    built after it keeps what it was given, and so do the sublayers that it makes when
    it is built. Configs name the actual initializers, so that a saved model needs no
    context; only a class without a `get_config` names those that it was called with. A
    layer that is made from a config, for example by `load_model`, keeps what the config
    names.

    Initializers of this package are told what the axes of the kernel mean in depthwise,
    transposed and grouped convolutions. Those of Keras read a kernel as they always do:
    they count too many inputs of a depthwise convolution, and take the inputs of a
    transposed one for outputs.

    Each layer gets an initializer of its own. The first has the integer seed that you
    give, the others have hashes of it: kernels of one shape differ, and a second run
    draws the same. This also holds for query, key and value, and for both directions.

    Contexts may be nested: the inner one holds, and what it does not name the outer one
    gives. A context holds for the thread that opens it. It is also a decorator, which
    opens a new one for each call of the function.

    Examples:
    >>> with keras_initx.default_initializers(kernel="orthogonal_delta"):
    ...     model = keras.applications.VGG16(weights=None, include_top=False)
    >>> type(model.get_layer("block1_conv1").kernel_initializer).__name__
    'OrthogonalDelta'

    Args:
        kernel: str, dict, `keras.initializers.Initializer` or None. For kernels: the
            arguments `kernel_initializer`, `depthwise_initializer` and
            `pointwise_initializer` of layers. None, as for the others, leaves the
            default. Defaults to `None`.
        bias: str, dict, `keras.initializers.Initializer` or None. For
            `bias_initializer`. An LSTM with `unit_forget_bias=True`, the default, still
            starts with ones for its forget gate. Defaults to `None`.
        recurrent: str, dict, `keras.initializers.Initializer` or None. For
            `recurrent_initializer`. Defaults to `None`.
        embeddings: str, dict, `keras.initializers.Initializer` or None. For
            `embeddings_initializer`. Defaults to `None`.

    Raises:
        ValueError: If an argument is no initializer. A function is none here, because a
            model that is saved could not name it.
    """
    given = {
        "kernel": kernel,
        "bias": bias,
        "recurrent": recurrent,
        "embeddings": embeddings,
    }
    named = {role: value for role, value in given.items() if value is not None}
    with supplied({role: Supply(_initializer(role, named[role])) for role in named}):
        yield


def _initializer(role: str, value: Any) -> Any:
    """The initializer that an argument means."""
    cause = None
    try:
        found = keras.initializers.get(value)
        if isinstance(found, keras.initializers.Initializer):
            return found
    except Exception as error:
        cause = error
    raise _validate.error(
        _OWNER,
        f"`{role}` to be the name of an initializer, an initializer or None",
        f"{role}={value!r}",
        "Pass for example 'he_normal' or keras.initializers.HeNormal(seed=1). Put a "
        "function into a subclass of keras.initializers.Initializer.",
    ) from cause
