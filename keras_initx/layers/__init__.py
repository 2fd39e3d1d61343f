"""Layers that initialization schemes need."""

from keras_initx.layers._crelu import CReLU as CReLU
from keras_initx.layers._scale import Scale as Scale
from keras_initx.layers._shift import Shift as Shift
