"""Weight initializers: classes to pass as `kernel_initializer`, or their short ids."""

from keras_initx.initializers._convolution_orthogonal import (
    ConvolutionOrthogonal as ConvolutionOrthogonal,
)
from keras_initx.initializers._depth_scaled import DepthScaled as DepthScaled
from keras_initx.initializers._fixup_scaled import FixupScaled as FixupScaled
from keras_initx.initializers._haar_orthogonal import HaarOrthogonal as HaarOrthogonal
from keras_initx.initializers._looks_linear import LooksLinear as LooksLinear
from keras_initx.initializers._orthogonal_delta import (
    OrthogonalDelta as OrthogonalDelta,
)
from keras_initx.initializers._random_walk import RandomWalk as RandomWalk
from keras_initx.initializers._sparse import Sparse as Sparse
from keras_initx.initializers._t_fixup_scaled import TFixupScaled as TFixupScaled
