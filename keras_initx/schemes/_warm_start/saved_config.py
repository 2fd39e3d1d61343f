"""What the `config.json` of a `.keras` file says, read as plain data."""

from typing import Any

# The variables of these layers, of which a flag of the config may leave some out.
_NORMALIZATIONS = {
    "BatchNormalization": ("moving_mean", "moving_variance"),
    "LayerNormalization": (),
    "GroupNormalization": (),
}


class SavedConfig:
    """The layers of a saved model, by their names.

    Args:
        config: The decoded JSON; None where there is none.
    """

    def __init__(self, config: Any = None) -> None:
        self._configs: dict[str, dict[str, Any]] = {}
        self._members: dict[str, list[str]] = {}
        waiting = [config]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                self._note(value)
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value

    def order_of(self, name: str, names: list[str]) -> dict[str, int]:
        """The ranks of these members of a model; empty if not all are known."""
        known = {each: rank for rank, each in enumerate(self._members.get(name, ()))}
        return known if set(names) <= set(known) else {}

    def variable_names(self, name: str, count: int) -> list[str]:
        """The names of the variables of a layer, if its class tells them."""
        found = self._configs.get(name, {})
        if found.get("class_name") not in _NORMALIZATIONS:
            return []
        config = found["config"]
        names = ["gamma"] if config.get("scale", True) else []
        names += ["beta"] if config.get("center", True) else []
        names += _NORMALIZATIONS[found["class_name"]]
        return names if len(names) == count else []

    def _note(self, value: dict[str, Any]) -> None:
        """Keeps what is the config of a layer."""
        config = value.get("config")
        if not isinstance(config, dict) or "class_name" not in value:
            return
        name = _name(value)
        if name:
            self._configs.setdefault(name, value)
            layers = config.get("layers")
            if isinstance(layers, list):
                self._members.setdefault(name, [_name(each) for each in layers])


def _name(value: Any) -> str:
    """The name of a layer, which stands in its config or beside it."""
    if not isinstance(value, dict):
        return ""
    config = value.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    name = inner or value.get("name")
    return name if isinstance(name, str) else ""
