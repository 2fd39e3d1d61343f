"""One pass over a model that mirrors each kernel by the inputs that it gets.

The kernels before it are mirrored already, so that its inputs are linear functions of
the model's inputs, or stand in pairs whose differences are. How they stand in pairs is
read from their values: so whatever lies between a rectifier and a kernel is right, a
`Flatten`, a `Permute` or a layer of one's own.
"""

from typing import Any

import keras

from keras_initx._model.left_alone import why_left_alone
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.tensors import first_tensor, is_float_tensor
from keras_initx.schemes._looks_linear.input_pairs import Pairs, not_kept, pairs_of
from keras_initx.schemes._looks_linear.mirrored_draws import MirroredDraws
from keras_initx.schemes._looks_linear.rectifier_roles import Roles, unlike_calls
from keras_initx.schemes._looks_linear.samples import Samples, Values


class EndCheck(Observer):
    """Looks whether what the last kernels and layers make is linear.

    Attributes:
        deviation: float. The largest deviation from a linear function.
    """

    def __init__(self, roles: Roles, samples: Samples) -> None:
        self._roles = roles
        self._samples = samples
        self._left_alone: dict[int, str] = {}
        self.deviation = 0.0

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        role = self._roles.by_layer.get(id(call.layer))
        if role is not None and role.is_last:
            self._check_end(call.layer, tensor)
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        if id(call.layer) in self._roles.ends:
            self._check_end(call.layer, output)
        return output

    def check_output(self, model: Any, output: Any) -> None:
        """Raises unless all that the model returns is linear."""
        for each in keras.tree.flatten(output):
            if is_float_tensor(each):
                self._check_end(model, each)

    def _check_end(self, layer: Any, output: Any) -> None:
        values = self._samples.values(first_tensor(output))
        if values is None or not values.is_linear:
            raise self._not_kept(layer)
        self.deviation = max(self.deviation, values.deviation)

    def _not_kept(self, layer: Any) -> ValueError:
        return not_kept(layer, self._left_alone.get(id(layer), ""))


class MirrorPass(EndCheck):
    """Mirrors the kernels, and finds the layer that breaks the pairs.

    Args:
        roles: Roles.
        samples: Samples. What the model is called with.
        draws: MirroredDraws. Gives layers their kernels.
    """

    def __init__(self, roles: Roles, samples: Samples, draws: MirroredDraws) -> None:
        super().__init__(roles, samples)
        self._draws = draws
        self._pairs: dict[int, Pairs | None] = {}

    def enter(self, call: LayerCall) -> None:
        role = self._roles.by_layer.get(id(call.layer))
        if role is None:
            return
        values = self._samples.values(first_tensor((call.args, call.kwargs)))
        if values is None:
            raise self._not_kept(call.layer)
        reason = why_left_alone(call.layer, role.described.kernel, call.parents)
        if reason:
            # What it makes of its inputs is checked when it returns.
            self._left_alone[id(call.layer)] = reason
            self._draws.leave_alone(role, reason)
            return
        pairs = pairs_of(role, values)
        key = id(role.described.kernel)
        if key not in self._pairs:
            self._pairs[key] = pairs
            self._draws(role, pairs, values)
        elif self._pairs[key] != pairs:
            raise unlike_calls(call.layer)

    def leave(self, call: LayerCall, output: Any) -> Any:
        if id(call.layer) in self._roles.checked:
            values = self._samples.values(first_tensor(output))
            if values is None or not (values.is_linear or _is_paired(values)):
                raise self._not_kept(call.layer)
        return super().leave(call, output)


def _is_paired(values: Values) -> bool:
    """Whether there are pairs along any axis."""
    return any(
        values.shape[axis] % run == 0 and values.is_paired(axis, run)
        for axis in range(-1, -1 - len(values.shape), -1)
        for run in range(values.shape[axis] // 2 * 2, 1, -2)
    )
