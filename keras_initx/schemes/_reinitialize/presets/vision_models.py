"""timm's vision transformers, torchvision's ResNets, and DCGAN."""

import math
from typing import Any

import keras

from keras_initx._model.model_variables import ModelVariable
from keras_initx.schemes._reinitialize.presets.torch_defaults import torch_defaults
from keras_initx.schemes._reinitialize.presets.variable_roles import (
    is_convolution,
    is_keras_normalization,
    role,
)


def timm_vit(
    model: keras.layers.Layer, variables: list[ModelVariable]
) -> dict[int, Any]:
    """Dense kernels and positions from N(0, 0.02^2), zero biases.

    timm cuts these off at -2 and 2, a hundred deviations. The convolution that makes
    the patches has PyTorch's default, and the class token is from N(0, 1e-6^2).
    """
    found = torch_defaults(model, variables)
    for each in variables:
        kind = role(each)
        if each.variable.name.endswith(("class_token", "cls_token")):
            found[id(each.variable)] = keras.initializers.RandomNormal(stddev=1e-6)
        elif is_convolution(each.layer):
            continue
        elif kind in ("kernel", "table"):
            found[id(each.variable)] = keras.initializers.RandomNormal(stddev=0.02)
        elif kind == "bias":
            found[id(each.variable)] = keras.initializers.Zeros()
    return found


def torchvision_resnet(
    model: keras.layers.Layer, variables: list[ModelVariable]
) -> dict[int, Any]:
    """Convolutions from N(0, 2 / fan_out), the rest as in PyTorch.

    fan_out counts all outputs of a grouped convolution, as PyTorch does.
    """
    found = torch_defaults(model, variables)
    for each in variables:
        if is_convolution(each.layer) and each.axes is not None:
            axes = each.axes
            fan_out = axes.count(axes.spatial + axes.batch + axes.output)
            stddev = math.sqrt(2 / max(fan_out, 1))
            found[id(each.variable)] = keras.initializers.RandomNormal(stddev=stddev)
    return found


def dcgan(model: keras.layers.Layer, variables: list[ModelVariable]) -> dict[int, Any]:
    """Convolutions from N(0, 0.02^2), gamma from N(1, 0.02^2), beta zero."""
    found: dict[int, Any] = {}
    for each in variables:
        kind = role(each)
        if kind == "kernel" and is_convolution(each.layer):
            found[id(each.variable)] = keras.initializers.RandomNormal(0.0, 0.02)
        elif kind == "gamma" and is_keras_normalization(each.layer):
            found[id(each.variable)] = keras.initializers.RandomNormal(1.0, 0.02)
        elif kind == "beta":
            found[id(each.variable)] = keras.initializers.Zeros()
    return found
