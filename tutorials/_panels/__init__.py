"""The four panels of each initializer and scheme: networks, what is measured, drawing.

A *task* (`task.py`) is a network with its data. An *entry* (`entry.py`) is a start of
that network by a name of keras_initx, beside the start that Keras gives it. `entries/`
lists the entries, `networks/` the tasks.
"""
