"""Lines of code that a text shows."""


def setting(path: str, attribute: str, value: float | str, argument: str = "") -> str:
    """A line that sets an attribute of a layer, or the argument that it comes from.

    A layer within another one cannot be reached by its name.

    Args:
        path: str. The layer's path.
        attribute: str. Its name.
        value: float or str. What it shall be.
        argument: str. That of the constructor. Defaults to the attribute's name.
    """
    if "/" in path:
        return f"`{argument or attribute}={value}`"
    return f'`model.get_layer("{path}").{attribute} = {value}`'
