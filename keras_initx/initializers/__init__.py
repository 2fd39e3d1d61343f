"""Weight initializers: classes to pass as `kernel_initializer`, or their short ids."""

from keras_initx.initializers._convolution_orthogonal import (
    ConvolutionOrthogonal as ConvolutionOrthogonal,
)
from keras_initx.initializers._haar_orthogonal import HaarOrthogonal as HaarOrthogonal
from keras_initx.initializers._looks_linear import LooksLinear as LooksLinear
from keras_initx.initializers._orthogonal_delta import (
    OrthogonalDelta as OrthogonalDelta,
)
from keras_initx.initializers._random_walk import RandomWalk as RandomWalk
from keras_initx.initializers._sparse import Sparse as Sparse
