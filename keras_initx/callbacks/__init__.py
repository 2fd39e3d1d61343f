"""Callbacks for `model.fit`."""

from keras_initx.callbacks._lsuv import LSUV as LSUV
from keras_initx.callbacks._signal_monitor import SignalMonitor as SignalMonitor
