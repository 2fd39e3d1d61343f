"""Functions that set the weights of a whole model."""

from keras_initx.schemes._fixup import fixup as fixup
from keras_initx.schemes._lsuv.scheme import lsuv as lsuv
