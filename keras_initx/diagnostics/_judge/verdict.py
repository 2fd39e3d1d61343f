"""One verdict: what is wrong, where it begins, and what to do."""

import dataclasses

from keras_initx._report.documentation import DOCUMENTATION

HEALTHY = "healthy"

# The kinds whose titles are not their own words.
_TITLES = {
    HEALTHY: "looks healthy",
    "non_finite_signal": "non-finite signal",
    "non_finite_gradient": "non-finite gradient",
    "one_hot_attention": "one-hot attention",
    "ids_as_numbers": "IDs as numbers",
    "selu_without_lecun_normal": "SELU without lecun_normal",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One thing that is wrong, or that nothing is.

    Attributes:
        kind: str. An identifier, such as `"vanishing_signal"`.
        layer: str or None. The path of the first layer where it goes wrong.
        text: str. Where, how much, and what to use instead.
    """

    kind: str
    layer: str | None
    text: str

    @property
    def title(self) -> str:
        """The kind in words, as tables and pictures show it."""
        return _TITLES.get(self.kind, self.kind.replace("_", " "))

    @property
    def url(self) -> str:
        """The section of the documentation on this kind."""
        return f"{DOCUMENTATION}verdicts/#{self.kind}"

    @property
    def is_of_gradient(self) -> bool:
        """Whether it is about the gradient, or what it does, and not the signal."""
        return self.kind.endswith(("gradient", "update"))

    def to_dict(self) -> dict[str, str | None]:
        """Plain Python values."""
        return {
            "kind": self.kind,
            "title": self.title,
            "layer": self.layer,
            "text": self.text,
            "url": self.url,
        }

    def __str__(self) -> str:
        return f"{self.title[0].upper()}{self.title[1:]}: {self.text}"
