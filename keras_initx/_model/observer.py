"""What an observer of a pass is told: each call of each layer."""

import dataclasses
from typing import Any

import keras


@dataclasses.dataclass
class LayerCall:
    """One call of one layer.

    Attributes:
        layer: keras.layers.Layer.
        number: int. 1 for the first call of this layer in the pass.
        parents: tuple of keras.layers.Layer. The layers that are running and have
            called this one, the outermost first.
        args: tuple. The positional arguments of the call.
        kwargs: dict. The other arguments.
        mask: The Keras mask of the first tensor among the arguments, or None.
        is_repetition: bool. Whether this call, or one that it is a part of, runs again.
    """

    layer: keras.layers.Layer
    number: int
    parents: tuple[keras.layers.Layer, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mask: Any
    is_repetition: bool = False
    _runs_again: bool = False

    def repeat(self) -> None:
        """Runs the layer once more after this run, on the same inputs.

        The output of the last run is the output of the call.
        """
        self._runs_again = True


class Observer:
    """What happens at each call; a subclass overrides what it needs."""

    def enter(self, call: LayerCall) -> None:
        """Before a layer runs."""

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        """Between the linear part of a layer and its activation.

        If a layer has no attribute `activation`, or does not use it, the tensor is its
        output. The returned tensor replaces it.
        """
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        """After a layer has run. The returned value replaces its output."""
        return output

    def unseen(self, layer: keras.layers.Layer) -> None:
        """Called instead of the others for a layer that runs in a compiled function."""
