"""The few operations that `keras.ops` lacks, or has only in a slow form.

Rules of this folder: it is the only place that may import a framework; each file offers
the same functions with the same meaning; only the file of the running backend is
imported.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.jax import compiled as compiled
    from keras_initx._backend.jax import fold as fold
    from keras_initx._backend.jax import scatter as scatter
elif _BACKEND == "tensorflow":
    from keras_initx._backend.tensorflow import compiled as compiled
    from keras_initx._backend.tensorflow import fold as fold
    from keras_initx._backend.tensorflow import scatter as scatter
elif _BACKEND == "torch":
    from keras_initx._backend.torch import compiled as compiled
    from keras_initx._backend.torch import fold as fold
    from keras_initx._backend.torch import scatter as scatter
else:
    raise ImportError(
        "keras_initx needs the Keras backend 'tensorflow', 'jax' or 'torch'. "
        f"Received: {_BACKEND!r}. Set the environment variable KERAS_BACKEND."
    )
