"""Rules as an object that can be written to JSON."""

import json
from typing import Any

import keras

from keras_initx import _validate
from keras_initx._model.variable_rules import VariableRules
from keras_initx._registry import public

EXAMPLE = '{"*/query/kernel": "glorot_uniform", keras.layers.Conv2D: "he_normal"}'


@public("schemes")
class Rules(dict[Any, Any]):
    """Rules for `reinitialize`: a dict that can be written to JSON and read again.

    Each key says for which variables the rule holds, and its value what draws them. Of
    several rules that match a variable the first one holds.

    Examples:
    >>> rules = keras_initx.schemes.Rules({
    ...     "*/query/kernel": "orthogonal_delta",
    ...     keras.layers.Dense: keras.initializers.HeNormal(seed=1),
    ... })
    >>> again = keras_initx.schemes.Rules.from_json(rules.to_json())
    >>> list(again)[0], again[keras.layers.Dense].seed
    ('*/query/kernel', 1)

    Args:
        rules: dict. From a path pattern, a layer class or a function
            `(layer, variable)`, to an initializer, its id, or None: leave it as it is.
            Defaults to `None`: no rules.

    Raises:
        ValueError: If a key or a value is none of these.
    """

    def __init__(self, rules: Any = None) -> None:
        super().__init__(VariableRules("Rules", rules, EXAMPLE).rules)
        for value in self.values():
            initializer_of("Rules", value)

    def to_json(self) -> str:
        """The rules as a JSON list, in their order.

        Raises:
            ValueError: If a key is a function, or a layer class that is not registered.
        """
        return json.dumps(
            [{**_key(rule), "initializer": _plain(each)} for rule, each in self.items()]
        )

    @classmethod
    def from_json(cls, text: str) -> "Rules":
        """The rules that `to_json` wrote.

        Args:
            text: str.

        Raises:
            ValueError: If this is no such text, or if a class is not known here.
        """
        try:
            return cls(dict(map(_rule, json.loads(text))))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise _validate.error(
                "Rules.from_json",
                "the text that `Rules.to_json` wrote",
                repr(text if len(text) < 80 else f"{text[:80]}..."),
                "Write the rules again.",
            ) from error


def initializer_of(owner: str, value: Any) -> Any:
    """The initializer that a rule names, or None.

    Raises:
        ValueError: If the value is not one that Keras understands.
    """
    try:
        return keras.initializers.get(value)
    except (ValueError, TypeError) as error:
        raise _validate.error(
            owner,
            "each rule to name an initializer, or None",
            f"{value!r}",
            'Pass for example "he_normal", or None to leave the variable as it is.',
        ) from error


def _key(rule: Any) -> dict[str, str]:
    if isinstance(rule, str):
        return {"path": rule}
    if isinstance(rule, type):
        name = keras.saving.get_registered_name(rule)
        if _found_class(name) is rule:
            return {"layer": name}
    raise _validate.error(
        "Rules.to_json",
        "path patterns, layer classes of Keras, and registered ones",
        f"the rule {rule!r}",
        "Use a path pattern, or `keras.saving.register_keras_serializable`.",
    )


def _rule(entry: dict[str, Any]) -> tuple[Any, Any]:
    rule = entry["path"] if "path" in entry else _layer_class(entry["layer"])
    value = entry["initializer"]
    # Text stays text; a config becomes an initializer.
    return rule, keras.initializers.get(value) if isinstance(value, dict) else value


def _layer_class(name: str) -> Any:
    found = _found_class(name)
    if found is None:
        raise _validate.error(
            "Rules.from_json",
            "layer classes that are known here",
            f"the class {name!r}",
            "Import the module that registers it.",
        )
    return found


def _found_class(name: str) -> Any:
    found = keras.saving.get_registered_object(name)
    return found if found is not None else getattr(keras.layers, name, None)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return keras.initializers.serialize(keras.initializers.get(value))
