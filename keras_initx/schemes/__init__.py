"""Functions that set the weights of a whole model."""

from keras_initx.schemes._lsuv import lsuv as lsuv
