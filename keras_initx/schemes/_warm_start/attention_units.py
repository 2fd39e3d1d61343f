"""The units of Keras's attention: its heads, and the numbers in each."""

import keras
from keras import layers

from keras_initx.schemes._warm_start.unit_roles import LayerUnits, Roles
from keras_initx.schemes._warm_start.unit_spaces import Spaces, Units


class AttentionUnits:
    """The heads, the query and key numbers, and the value numbers of one attention.

    A head that continues another one gives the same output, so that the weights of the
    output projection are shared among the copies. Scores are sums over the numbers of
    queries and keys, divided by the root of their count.
    """

    def __init__(self, spaces: Spaces, attention: layers.MultiHeadAttention) -> None:
        self._spaces = spaces
        query, value = (
            each.kernel.shape for each in (attention.query_dense, attention.value_dense)
        )
        self._heads = spaces.add(query[1])
        self._keys = spaces.add(query[2])
        self._values = spaces.add(value[2])
        self._attention = attention

    def of(self, layer: layers.Layer, inputs: Units | None) -> LayerUnits | None:
        """The units of one of the projections."""
        kernel, bias = layer.kernel, layer.bias
        if not all(
            isinstance(v, keras.Variable) for v in (kernel, bias) if v is not None
        ):
            return None
        attention, spaces = self._attention, self._spaces
        is_output = layer is attention.output_dense
        if kernel.ndim != 3:
            return None
        if is_output:
            leaving = spaces.add(kernel.shape[-1])
            spaces.of(leaving)[0].makers.add(id(kernel))
            entering, inner = None, (self._heads, self._values, leaving)
            roles = Roles(inner, (0, 1))
            biases = Roles((leaving,))
        else:
            is_query = layer is attention.query_dense
            is_scored = is_query or layer is attention.key_dense
            last = self._keys if is_scored else self._values
            entering = inputs or spaces.add(kernel.shape[0], "the units before it")
            leaving = last
            roles = Roles((entering, self._heads, last), (0,), is_query)
            biases = Roles((self._heads, last), (), is_query)
        found = [(kernel, roles)]
        if bias is not None:
            found.append((bias, biases))
        return LayerUnits(entering, leaving, found)
