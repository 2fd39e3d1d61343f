"""All rows of the page, in its order."""

from _which import (
    fans,
    fields,
    heads,
    images,
    plain,
    policies,
    recurrent,
    residual,
    starts,
    transformers,
)

KINDS = (
    plain,
    residual,
    transformers,
    recurrent,
    policies,
    fields,
    images,
    heads,
    starts,
    fans,
)
ROWS = [row for kind in KINDS for row in kind.ROWS]
