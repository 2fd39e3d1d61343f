"""The units of Keras's attention: its heads, and the numbers in each."""

import keras
from keras import layers

from keras_initx._keras import direct_sublayers
from keras_initx.schemes._warm_start.unit_roles import LayerUnits, Roles
from keras_initx.schemes._warm_start.unit_spaces import Spaces, Units

_GROUPED = "several heads of queries share one of keys"


class AttentionUnits:
    """The heads, the query and key numbers, and the value numbers of one attention.

    A head that continues another one gives the same output, so that the weights of the
    output projection are shared among the copies. Scores are sums over the numbers of
    queries and keys, divided by the root of their count.
    """

    def __init__(self, spaces: Spaces, attention: layers.Layer) -> None:
        self._spaces = spaces
        kernels = {
            each.name: each.kernel.shape
            for each in direct_sublayers(attention)
            if isinstance(each, layers.EinsumDense)
        }
        is_grouped = isinstance(attention, layers.GroupQueryAttention)
        fixed = _GROUPED if is_grouped else ""
        self._heads = spaces.add(kernels["query"][1], fixed)
        self._key_heads = self._heads
        if is_grouped:
            self._key_heads = spaces.add(kernels["key"][1], fixed)
        self._keys = spaces.add(kernels["query"][2])
        self._values = spaces.add(kernels["value"][2])

    def of(self, layer: layers.Layer, inputs: Units | None) -> LayerUnits | None:
        """The units of one of the projections, by its name."""
        kernel, bias = layer.kernel, layer.bias
        weights = [each for each in (kernel, bias) if each is not None]
        if kernel.ndim != 3 or not all(isinstance(v, keras.Variable) for v in weights):
            return None
        if layer.name == "attention_output":
            return self._output(kernel, bias)
        heads = self._key_heads if layer.name in ("key", "value") else self._heads
        last = self._keys if layer.name in ("query", "key") else self._values
        entering = inputs or self._spaces.add(
            kernel.shape[0], "the units before it are not known"
        )
        is_query = layer.name == "query"
        found = [(kernel, Roles((entering, heads, last), (0,), is_query))]
        if bias is not None:
            found.append((bias, Roles((heads, last), (), is_query)))
        return LayerUnits(entering, last, found)

    def _output(
        self, kernel: keras.Variable, bias: keras.Variable | None
    ) -> LayerUnits:
        leaving = self._spaces.add(kernel.shape[-1])
        self._spaces.of(leaving)[0].makers.add(id(kernel))
        found = [(kernel, Roles((self._heads, self._values, leaving), (0, 1)))]
        if bias is not None:
            found.append((bias, Roles((leaving,))))
        return LayerUnits(None, leaving, found)
