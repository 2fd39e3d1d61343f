"""Functions that look at a model and change nothing."""

from keras_initx.diagnostics._compare import compare as compare
from keras_initx.diagnostics._judge.kinds import VerdictKind as VerdictKind
from keras_initx.diagnostics._signal_report import signal_report as signal_report
