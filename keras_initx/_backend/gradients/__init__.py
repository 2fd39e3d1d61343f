"""Gradients of functions, and layers that run with or without gradients."""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.gradients.jax import gradient as gradient
    from keras_initx._backend.gradients.jax import preserve_modes as preserve_modes
    from keras_initx._backend.gradients.jax import probe as probe
    from keras_initx._backend.gradients.jax import pullback as pullback
elif _BACKEND == "tensorflow":
    from keras_initx._backend.gradients.tensorflow import gradient as gradient
    from keras_initx._backend.gradients.tensorflow import (
        preserve_modes as preserve_modes,
    )
    from keras_initx._backend.gradients.tensorflow import probe as probe
    from keras_initx._backend.gradients.tensorflow import pullback as pullback
else:
    from keras_initx._backend.gradients.torch import gradient as gradient
    from keras_initx._backend.gradients.torch import preserve_modes as preserve_modes
    from keras_initx._backend.gradients.torch import probe as probe
    from keras_initx._backend.gradients.torch import pullback as pullback
