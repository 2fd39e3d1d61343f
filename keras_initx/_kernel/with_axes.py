"""Any initializer, told the axes of one kernel."""

from typing import Any

import keras

from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fan, fans

_VarianceScaling = keras.initializers.VarianceScaling


def with_axes(
    initializer: Any, axes: KernelAxes | None = None, seed: Any = None
) -> Any:
    """The same initializer for a kernel with these axes, and with `seed` if given.

    Axes, groups and strides that the initializer names itself stay. An initializer that
    has no such arguments, for example Keras's `Orthogonal` or a function, comes back as
    it is: it reads the kernel as it does when a layer calls it.

    Keras's `VarianceScaling`, from which the Glorot, He and LeCun initializers derive,
    takes the product of the sizes of `input_axes` as its fan-in. It knows neither a
    receptive field nor groups nor strides. Here it gets the axes and the `scale` that
    make its variance that of `FanScaled`. For a dense layer, and for a convolution
    without groups and strides, it draws what it draws when the layer calls it.
    """
    if not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = dict(initializer.get_config())
    told = {} if axes is None else _told(initializer, axes, config)
    if "seed" in config and (told or seed is not None):
        # The config has the seed of the constructor, which may be None.
        told["seed"] = getattr(initializer, "seed", None) if seed is None else seed
    if not told:
        return initializer
    if "scale" in told and "scale" not in config:
        # `GlorotUniform` and its like have a fixed scale.
        return _VarianceScaling(
            mode=initializer.mode, distribution=initializer.distribution, **told
        )
    made = type(initializer).from_config({**config, **told})
    source = initializer if axes is None else axes
    for name in ("strides", "is_lookup"):
        # Those of our initializers that hand a kernel on to another one keep these.
        if hasattr(made, name) and name not in config:
            setattr(made, name, getattr(source, name))
    return made


def _told(initializer: Any, axes: KernelAxes, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of the initializer that say what these axes mean."""
    is_of_keras = (
        isinstance(initializer, _VarianceScaling) and "batch_axes" not in config
    )
    field = axes.spatial if is_of_keras else ()
    values = {
        "input_axes": [*field, *axes.input],
        "output_axes": [*field, *axes.output],
        "batch_axes": [*axes.batch],
        "groups": axes.groups,
        "strides": axes.strides,
    }
    # `groups=1` cannot be told from the default.
    told: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if name in config and config[name] in (None, 1)
    }
    draws_as_keras = type(initializer).__call__ is _VarianceScaling.__call__
    if draws_as_keras and {"input_axes", "output_axes"} <= set(told):
        correction = _correction(initializer.mode, axes)
        if correction != 1:
            told["scale"] = correction * initializer.scale
    return told


def _correction(mode: str, axes: KernelAxes) -> float:
    """What makes up for the fans that Keras counts: it divides by one at least."""
    counted = fan(mode, axes.fan_in, axes.groups * axes.fan_out)
    right = fan(mode, *fans(axes))
    return 1.0 if right == 0 else max(1.0, counted) / right
