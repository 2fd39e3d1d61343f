"""Settings of the package."""

from keras_initx._kernel.portable import (
    disable_portable_seeds as disable_portable_seeds,
)
from keras_initx._kernel.portable import enable_portable_seeds as enable_portable_seeds
from keras_initx._kernel.portable import (
    is_portable_seeds_enabled as is_portable_seeds_enabled,
)
from keras_initx._kernel.portable import portable_seeds as portable_seeds
from keras_initx.config._default_initializers import (
    default_initializers as default_initializers,
)
from keras_initx.config._skip_init import skip_init as skip_init
