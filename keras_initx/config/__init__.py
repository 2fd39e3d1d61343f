"""Settings of the package."""

from keras_initx._kernel.portable import (
    disable_portable_seeds as disable_portable_seeds,
)
from keras_initx._kernel.portable import enable_portable_seeds as enable_portable_seeds
from keras_initx._kernel.portable import (
    is_portable_seeds_enabled as is_portable_seeds_enabled,
)
from keras_initx._kernel.portable import portable_seeds as portable_seeds
