"""Random numbers: how each framework draws them, and on which device."""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.drawing.jax import draw as draw
    from keras_initx._backend.drawing.jax import draws_on_device as draws_on_device
elif _BACKEND == "tensorflow":
    from keras_initx._backend.drawing.tensorflow import draw as draw
    from keras_initx._backend.drawing.tensorflow import (
        draws_on_device as draws_on_device,
    )
else:
    from keras_initx._backend.drawing.torch import draw as draw
    from keras_initx._backend.drawing.torch import draws_on_device as draws_on_device
