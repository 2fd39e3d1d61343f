"""Tells what a script is doing, and for how long, while it does it."""

import contextlib
import sys
import threading
import time


@contextlib.contextmanager
def shown(what):
    """Prints a line that counts the seconds; a function adds to it what is new.

    with shown("Training") as say:
        say("epoch 1")  # Training, epoch 1 (3 s)
    """
    done, news, start = threading.Event(), [""], time.perf_counter()
    # In a terminal each line takes the place of the one before.
    end = "\r" if sys.stdout.isatty() else "\n"

    def tell(end):
        seconds = time.perf_counter() - start
        print(f"{what}{news[0]} ({seconds:.0f} s)", end=end, flush=True)

    def count():
        while not done.wait(1.0):
            tell(end)

    def say(text):
        news[0] = f", {text}"

    counting = threading.Thread(target=count, daemon=True)
    counting.start()
    try:
        yield say
    finally:
        done.set()
        counting.join()
    tell("\n")
