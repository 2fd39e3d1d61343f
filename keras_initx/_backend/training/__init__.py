"""Training: one step by itself, and a look at the batches before the first step."""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from keras_initx._backend.training.jax import before_training as before_training
    from keras_initx._backend.training.jax import run_train_step as run_train_step
elif _BACKEND == "tensorflow":
    from keras_initx._backend.training.tensorflow import (
        before_training as before_training,
    )
    from keras_initx._backend.training.tensorflow import (
        run_train_step as run_train_step,
    )
else:
    from keras_initx._backend.training.torch import before_training as before_training
    from keras_initx._backend.training.torch import run_train_step as run_train_step
