"""Callbacks for `model.fit`."""

from keras_initx.callbacks._lsuv import LSUV as LSUV
