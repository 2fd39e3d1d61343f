"""Weight initializers: classes to pass as `kernel_initializer`, or their short ids."""

from keras_initx.initializers._bilinear import Bilinear as Bilinear
from keras_initx.initializers._blockwise import Blockwise as Blockwise
from keras_initx.initializers._border_gain import border_gain as border_gain
from keras_initx.initializers._chrono_bias import ChronoBias as ChronoBias
from keras_initx.initializers._convolution_orthogonal import (
    ConvolutionOrthogonal as ConvolutionOrthogonal,
)
from keras_initx.initializers._depth_scaled import DepthScaled as DepthScaled
from keras_initx.initializers._dirac import Dirac as Dirac
from keras_initx.initializers._fan_scaled import FanScaled as FanScaled
from keras_initx.initializers._fixup_scaled import FixupScaled as FixupScaled
from keras_initx.initializers._from_array import FromArray as FromArray
from keras_initx.initializers._gate_bias import GateBias as GateBias
from keras_initx.initializers._gate_identity import GateIdentity as GateIdentity
from keras_initx.initializers._gate_orthogonal import GateOrthogonal as GateOrthogonal
from keras_initx.initializers._haar_orthogonal import HaarOrthogonal as HaarOrthogonal
from keras_initx.initializers._icnr import ICNR as ICNR
from keras_initx.initializers._looks_linear import LooksLinear as LooksLinear
from keras_initx.initializers._orthogonal_delta import (
    OrthogonalDelta as OrthogonalDelta,
)
from keras_initx.initializers._prior_bias import PriorBias as PriorBias
from keras_initx.initializers._random_walk import RandomWalk as RandomWalk
from keras_initx.initializers._siren import Siren as Siren
from keras_initx.initializers._sparse import Sparse as Sparse
from keras_initx.initializers._spectral_radius import SpectralRadius as SpectralRadius
from keras_initx.initializers._t_fixup_scaled import TFixupScaled as TFixupScaled
from keras_initx.initializers._torch_bias import TorchBias as TorchBias
from keras_initx.initializers._unitary import Unitary as Unitary
from keras_initx.initializers._zero_hadamard import ZerO as ZerO
