"""Constraints: what a kernel stays like while it trains."""

from keras_initx.constraints._orthonormal import Orthonormal as Orthonormal
