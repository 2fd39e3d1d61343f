"""The presets by their names, in the order in which the documentation lists them."""

from collections.abc import Callable
from typing import Any

from keras_initx.schemes._reinitialize.presets.flax_defaults import flax_defaults
from keras_initx.schemes._reinitialize.presets.language_models import bert, gpt2
from keras_initx.schemes._reinitialize.presets.ppo import ppo
from keras_initx.schemes._reinitialize.presets.torch_defaults import torch_defaults
from keras_initx.schemes._reinitialize.presets.vision_models import (
    dcgan,
    timm_vit,
    torchvision_resnet,
)

# Each gets the model and its variables, and returns initializers by the identities of
# the variables. What it does not name is drawn as in a new model.
PRESETS: dict[str, Callable[[Any, Any], dict[int, Any]]] = {
    "torch": torch_defaults,
    "flax": flax_defaults,
    "gpt2": gpt2,
    "bert": bert,
    "timm_vit": timm_vit,
    "ppo": ppo,
    "dcgan": dcgan,
    "torchvision_resnet": torchvision_resnet,
}
