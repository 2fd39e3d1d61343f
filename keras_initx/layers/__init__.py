"""Layers that initialization schemes need."""

from keras_initx.layers._crelu import CReLU as CReLU
