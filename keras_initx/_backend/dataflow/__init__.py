"""Which operations a function is made of, and which tensors these hand on.

Each file offers `record`, for its framework. It runs a function once, and lists all its
operations in their order. On JAX and TensorFlow the function is traced: nothing is
computed. On PyTorch it runs eagerly.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.dataflow.jax import record as record
elif _BACKEND == "tensorflow":
    from keras_initx._backend.dataflow.tensorflow import record as record
else:
    from keras_initx._backend.dataflow.torch import record as record
