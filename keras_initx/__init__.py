"""Weight initialization for Keras 3: every scheme is a string or a class away.

Importing the package registers its classes with Keras, under `"keras_initx>Name"` and
under their short ids, so that `Dense(64, kernel_initializer="orthogonal_delta")` works.
"""

from keras_initx import activations as activations
from keras_initx import callbacks as callbacks
from keras_initx import config as config
from keras_initx import constraints as constraints
from keras_initx import diagnostics as diagnostics
from keras_initx import initializers as initializers
from keras_initx import layers as layers
from keras_initx import saving as saving
from keras_initx import schemes as schemes
from keras_initx.activations import ShapedActivation as ShapedActivation
from keras_initx.activations import correlation_map as correlation_map
from keras_initx.activations import critical_point as critical_point
from keras_initx.activations import fixed_point as fixed_point
from keras_initx.activations import gain as gain
from keras_initx.activations import lecun_tanh as lecun_tanh
from keras_initx.activations import shaped as shaped
from keras_initx.activations import variance_gain as variance_gain
from keras_initx.activations import variance_map as variance_map
from keras_initx.callbacks import LSUV as LSUV
from keras_initx.callbacks import SignalMonitor as SignalMonitor
from keras_initx.config import default_initializers as default_initializers
from keras_initx.config import disable_portable_seeds as disable_portable_seeds
from keras_initx.config import enable_portable_seeds as enable_portable_seeds
from keras_initx.config import is_portable_seeds_enabled as is_portable_seeds_enabled
from keras_initx.config import portable_seeds as portable_seeds
from keras_initx.config import skip_init as skip_init
from keras_initx.constraints import Orthonormal as Orthonormal
from keras_initx.diagnostics import VerdictKind as VerdictKind
from keras_initx.diagnostics import compare as compare
from keras_initx.diagnostics import signal_report as signal_report
from keras_initx.initializers import ICNR as ICNR
from keras_initx.initializers import Bilinear as Bilinear
from keras_initx.initializers import Blockwise as Blockwise
from keras_initx.initializers import ChronoBias as ChronoBias
from keras_initx.initializers import ConvolutionOrthogonal as ConvolutionOrthogonal
from keras_initx.initializers import DepthScaled as DepthScaled
from keras_initx.initializers import Dirac as Dirac
from keras_initx.initializers import FanScaled as FanScaled
from keras_initx.initializers import FixupScaled as FixupScaled
from keras_initx.initializers import FromArray as FromArray
from keras_initx.initializers import GateBias as GateBias
from keras_initx.initializers import GateIdentity as GateIdentity
from keras_initx.initializers import GateOrthogonal as GateOrthogonal
from keras_initx.initializers import HaarOrthogonal as HaarOrthogonal
from keras_initx.initializers import LooksLinear as LooksLinear
from keras_initx.initializers import OrthogonalDelta as OrthogonalDelta
from keras_initx.initializers import PriorBias as PriorBias
from keras_initx.initializers import RandomWalk as RandomWalk
from keras_initx.initializers import Siren as Siren
from keras_initx.initializers import Sparse as Sparse
from keras_initx.initializers import SpectralRadius as SpectralRadius
from keras_initx.initializers import TFixupScaled as TFixupScaled
from keras_initx.initializers import TorchBias as TorchBias
from keras_initx.initializers import Unitary as Unitary
from keras_initx.initializers import ZerO as ZerO
from keras_initx.initializers import border_gain as border_gain
from keras_initx.layers import CReLU as CReLU
from keras_initx.layers import Scale as Scale
from keras_initx.layers import (
    ScaledWeightStandardization as ScaledWeightStandardization,
)
from keras_initx.layers import Shift as Shift
from keras_initx.layers import UnitaryRNNCell as UnitaryRNNCell
from keras_initx.saving import detach as detach
from keras_initx.schemes import Rules as Rules
from keras_initx.schemes import critical as critical
from keras_initx.schemes import depth_scale as depth_scale
from keras_initx.schemes import fixup as fixup
from keras_initx.schemes import looks_linear as looks_linear
from keras_initx.schemes import lsuv as lsuv
from keras_initx.schemes import reinitialize as reinitialize
from keras_initx.schemes import t_fixup as t_fixup
from keras_initx.schemes import warm_start as warm_start

__version__ = "0.1.0"
