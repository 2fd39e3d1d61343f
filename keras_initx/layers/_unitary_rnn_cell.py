"""A recurrent cell whose state is turned by a unitary matrix, also while it trains."""

import math
from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._backend.seeds import split
from keras_initx._kernel.structured_unitary import StructuredUnitary, draw_permutation
from keras_initx._registry import register

# Below this modulus a complex number counts as 0, where modReLU has no slope.
_TINY = 1e-12


@register("layers")
class UnitaryRNNCell(keras.layers.Layer):
    """The cell of a unitary recurrent network, for `keras.layers.RNN`.

        h_t = modReLU(W h_(t-1) + V x_t)        modReLU(z) = relu(|z| + b) z / |z|
        W = D_3 R_2 F^-1 D_2 P R_1 F D_1

    The state h is n = `units / 2` complex numbers. W is the product of Arjovsky, Shah
    and Bengio: diagonal phases D, reflections R, the Fourier transform F, and a
    fixed random permutation P. The cell trains the 7 n real parameters of D and R, so W
    stays unitary: its product with a state keeps the norm, and so does its product with
    a gradient, over any number of steps. It takes n log(n) operations and no matrix.

    The output is the state as `units` real numbers: the real parts of the n numbers,
    then their imaginary parts. W is computed in float32 or better, also under a policy
    of mixed precision.

    Examples:
    >>> layer = keras.layers.RNN(keras_initx.layers.UnitaryRNNCell(64))
    >>> tuple(layer(keras.ops.ones((2, 10, 3))).shape)
    (2, 64)

    Args:
        units: int. The size of the output, 2 n. Even.
        kernel_initializer: str, `keras.initializers.Initializer` or dict. Draws V, of
            shape `(features, units)`. Defaults to `"glorot_uniform"`.
        bias_initializer: The same, for b, of shape `(n,)`. Defaults to `"zeros"`, with
            which modReLU changes nothing at first.
        seed: int, `keras.random.SeedGenerator` or None. For the phases, reflections,
            the permutation and the first state. Defaults to `None`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor of shape `(batch, features)`.
        states: list of one tensor of shape `(batch, units)`.

    Returns:
        The new state of shape `(batch, units)`, and a list of it.

    Raises:
        ValueError: If `units` is not an even positive integer.

    Reference:
        Arjovsky, Shah and Bengio 2016, "Unitary evolution recurrent neural networks",
        sections 4 and 5, https://arxiv.org/abs/1511.06464. The law of the first state,
        which is trained too, is that of the authors' code.
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        units = _validate.positive_integer("UnitaryRNNCell", "units", units)
        if units % 2:
            raise _validate.error(
                "UnitaryRNNCell",
                "an even number of `units`, two for each complex number",
                f"units={units}",
                f"Pass for example {units + 1}.",
            )
        self.units = self.state_size = self.output_size = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self._seeded = keras.initializers.RandomUniform(seed=seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the input kernel V, the 7 n parameters of W, b and the first state."""
        units, size = self.units, self.units // 2
        phases, reflections, first, permutation = split(self._seeded.seed, 4)
        self.kernel = self.add_weight(
            (input_shape[-1], units), self.kernel_initializer, name="kernel"
        )
        # Without `autocast` their numbers are not rounded in mixed precision.
        self.phases = self._weight("phases", (3, size), _uniform(math.pi, phases))
        self.reflections = self._weight(
            "reflections", (2, units), _uniform(1.0, reflections)
        )
        self.bias = self._weight("bias", (size,), self.bias_initializer)
        limit = math.sqrt(3 / units)
        self.first_state = self._weight("first_state", (units,), _uniform(limit, first))
        self.permutation = self.add_weight(
            (size,),
            lambda shape, dtype: draw_permutation(shape[0], permutation),
            dtype="int32",
            trainable=False,
            name="permutation",
        )
        self.built = True

    def _weight(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        return self.add_weight(shape, initializer, name=name, autocast=False)

    def call(
        self, inputs: Any, states: Any, training: bool = False
    ) -> tuple[Any, list[Any]]:
        state = states[0] if isinstance(states, list | tuple) else states
        dtype = "float64" if self.variable_dtype == "float64" else "float32"
        turned = ops.concatenate(
            self._unitary(dtype)(*ops.split(ops.cast(state, dtype), 2, axis=-1)),
            axis=-1,
        )
        z = turned + ops.cast(ops.matmul(inputs, self.kernel), dtype)
        output = ops.cast(self._mod_relu(z), self.compute_dtype)
        return output, [output]

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """The first state, for each sample."""
        if not self.built:
            return [ops.zeros((batch_size, self.units), self.compute_dtype)]
        # Not a view: a stateful layer writes into it.
        first = ops.cast(self.first_state, self.compute_dtype)
        return [first + ops.zeros((batch_size, 1), self.compute_dtype)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as plain JSON."""
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "seed": self._seeded.get_config()["seed"],
        }

    def _unitary(self, dtype: str) -> StructuredUnitary:
        """W, with its present parameters."""
        return StructuredUnitary(
            ops.cast(self.phases, dtype),
            ops.cast(self.reflections, dtype),
            ops.convert_to_tensor(self.permutation),
        )

    def _mod_relu(self, z: Any) -> Any:
        """relu(|z| + b) z / |z|, for z as real and imaginary parts."""
        real, imaginary = ops.split(z, 2, axis=-1)
        modulus = ops.sqrt(real**2 + imaginary**2 + _TINY)
        factor = ops.relu(modulus + ops.cast(self.bias, z.dtype)) / modulus
        return z * ops.concatenate([factor, factor], axis=-1)


def _uniform(limit: float, seed: Any) -> keras.initializers.Initializer:
    return keras.initializers.RandomUniform(-limit, limit, seed=seed)
