"""Functions that set the weights of a whole model."""

from keras_initx.schemes._critical.critical import critical as critical
from keras_initx.schemes._depth_scale import depth_scale as depth_scale
from keras_initx.schemes._fixup import fixup as fixup
from keras_initx.schemes._looks_linear.linear_model import looks_linear as looks_linear
from keras_initx.schemes._lsuv.scheme import lsuv as lsuv
from keras_initx.schemes._reinitialize.reinitialize import reinitialize as reinitialize
from keras_initx.schemes._reinitialize.rules_json import Rules as Rules
from keras_initx.schemes._t_fixup import t_fixup as t_fixup
from keras_initx.schemes._warm_start.start import warm_start as warm_start
