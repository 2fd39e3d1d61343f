"""The few things that `keras` lacks, or has only in a slow form.

Rules of this folder: it is the only place that may import a framework; each file offers
the same functions with the same meaning; only the file of the running backend is
imported.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.jax import assign as assign
    from keras_initx._backend.jax import double_precision as double_precision
    from keras_initx._backend.jax import has_values as has_values
    from keras_initx._backend.jax import next_state as next_state
    from keras_initx._backend.jax import on_host as on_host
    from keras_initx._backend.jax import one_program as one_program
    from keras_initx._backend.jax import rescale as rescale
    from keras_initx._backend.jax import saved as saved
    from keras_initx._backend.jax import scaled as scaled
    from keras_initx._backend.jax import stored as stored
    from keras_initx._backend.jax import to_tensor as to_tensor
    from keras_initx._backend.jax import untraced as untraced
    from keras_initx._backend.jax import view as view
elif _BACKEND == "tensorflow":
    from keras_initx._backend.tensorflow import assign as assign
    from keras_initx._backend.tensorflow import double_precision as double_precision
    from keras_initx._backend.tensorflow import has_values as has_values
    from keras_initx._backend.tensorflow import next_state as next_state
    from keras_initx._backend.tensorflow import on_host as on_host
    from keras_initx._backend.tensorflow import one_program as one_program
    from keras_initx._backend.tensorflow import rescale as rescale
    from keras_initx._backend.tensorflow import saved as saved
    from keras_initx._backend.tensorflow import scaled as scaled
    from keras_initx._backend.tensorflow import stored as stored
    from keras_initx._backend.tensorflow import to_tensor as to_tensor
    from keras_initx._backend.tensorflow import untraced as untraced
    from keras_initx._backend.tensorflow import view as view
elif _BACKEND == "torch":
    from keras_initx._backend.torch import assign as assign
    from keras_initx._backend.torch import double_precision as double_precision
    from keras_initx._backend.torch import has_values as has_values
    from keras_initx._backend.torch import next_state as next_state
    from keras_initx._backend.torch import on_host as on_host
    from keras_initx._backend.torch import one_program as one_program
    from keras_initx._backend.torch import rescale as rescale
    from keras_initx._backend.torch import saved as saved
    from keras_initx._backend.torch import scaled as scaled
    from keras_initx._backend.torch import stored as stored
    from keras_initx._backend.torch import to_tensor as to_tensor
    from keras_initx._backend.torch import untraced as untraced
    from keras_initx._backend.torch import view as view
else:
    raise ImportError(
        "keras_initx needs the Keras backend 'tensorflow', 'jax' or 'torch'. "
        f"Received: {_BACKEND!r}. Set the environment variable KERAS_BACKEND."
    )
