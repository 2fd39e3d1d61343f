"""Layers that initialization schemes need."""

from keras_initx.layers._crelu import CReLU as CReLU
from keras_initx.layers._residual_deviations import (
    residual_deviations as residual_deviations,
)
from keras_initx.layers._scale import Scale as Scale
from keras_initx.layers._scaled_weight_standardization import (
    ScaledWeightStandardization as ScaledWeightStandardization,
)
from keras_initx.layers._shift import Shift as Shift
from keras_initx.layers._unitary_rnn_cell import UnitaryRNNCell as UnitaryRNNCell
