"""Concatenated rectified linear units."""

from typing import Any

import keras
from keras import ops

from keras_initx import _validate
from keras_initx._registry import register


@register("layers")
class CReLU(keras.layers.Layer):
    """Concatenates the positive and the negative part of its input.

        CReLU(x) = (relu(x), relu(-x))

    along the channel axis, which it doubles. No information is lost: the difference of
    the halves is `x`. The two layers together start as a linear one if the layer after
    this one has `kernel_initializer="looks_linear"`.

    With a `Flatten` in between there are two ways, as the halves of the flattened
    vector are not those of the channels:

    - `Flatten`, `CReLU`, `Dense(..., kernel_initializer="looks_linear")`.
    - `CReLU`, `Flatten`, and after it `initializers.LooksLinear(period=2 * channels)`:
      the number of channels that this layer returns. With
      `data_format="channels_first"` the halves of the vector are the right ones, and
      no period is needed.

    `schemes.looks_linear` finds the pairs in a whole model, and sets its kernels.

    Examples:
    >>> layer = keras_initx.layers.CReLU()
    >>> output = layer(keras.ops.convert_to_tensor([[1.0, -2.0]]))
    >>> keras.ops.convert_to_numpy(output).tolist()
    [[1.0, 0.0, 0.0, 2.0]]

    Args:
        axis: int or None. The axis to double, not the batch axis. Defaults to `None`,
            which means the channel axis.
        data_format: str or None. `"channels_last"` or `"channels_first"`: where the
            channel axis is if `axis` is None. Defaults to
            `keras.config.image_data_format()`.
        groups: int. The `groups` of a grouped convolution that follows. Each group of
            channels gets both its halves, so that each group of the convolution sees
            them. Defaults to `1`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor of shape `(batch, ..., channels)`.

    Returns:
        A tensor of shape `(batch, ..., 2 * channels)`.

    Raises:
        ValueError: If `axis` is the batch axis or not an axis of the input,
            `data_format` is unknown, or `groups` does not divide the channels.

    Reference:
        Shang, Sohn, Almeida and Lee 2016, "Understanding and improving convolutional
        neural networks via concatenated rectified linear units",
        https://arxiv.org/abs/1603.05201.
    """

    def __init__(
        self,
        axis: int | None = None,
        data_format: str | None = None,
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if data_format is None:
            data_format = keras.config.image_data_format()
        self.data_format = _validate.choice(
            "CReLU", "data_format", data_format, ("channels_last", "channels_first")
        )
        if axis is not None and not (_validate.is_integer(axis) and axis != 0):
            raise _validate.error(
                "CReLU",
                "`axis` to be an integer other than 0, the batch axis",
                f"axis={axis!r}",
                "Pass for example -1, or None for the channel axis.",
            )
        self.axis = None if axis is None else int(axis)
        self.groups = _validate.positive_integer("CReLU", "groups", groups)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[self._position(len(input_shape))]
        if channels is not None and channels % self.groups:
            raise _validate.error(
                "CReLU",
                "`groups` to divide the number of channels",
                f"groups={self.groups}, an input of shape {tuple(input_shape)} with "
                f"{channels} channels",
                "Pass the `groups` of the convolution that follows.",
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self._doubled(ops.relu(inputs), ops.relu(-inputs), len(inputs.shape))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the input, doubled too if it has the axis that is doubled."""
        rank = len(inputs.shape)
        if mask is None or self._position(rank) >= len(mask.shape):
            return mask
        return self._doubled(mask, mask, rank)

    def _doubled(self, first: Any, second: Any, rank: int) -> Any:
        """Two tensors side by side along the axis, group by group."""
        axis = self._position(rank)
        if self.groups == 1:
            return ops.concatenate([first, second], axis=axis)
        parts = zip(
            ops.split(first, self.groups, axis=axis),
            ops.split(second, self.groups, axis=axis),
            strict=True,
        )
        return ops.concatenate([half for part in parts for half in part], axis=axis)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        axis = self._position(len(input_shape))
        size = input_shape[axis]
        doubled = None if size is None else 2 * size
        return (*input_shape[:axis], doubled, *input_shape[axis + 1 :])

    def _position(self, rank: int) -> int:
        """The axis to double, counted from 0."""
        axis = self.axis
        if axis is None:
            axis = -1 if self.data_format == "channels_last" else 1
        if not -rank < axis < rank:
            raise _validate.error(
                "CReLU",
                f"an input that has the axis {axis} after its batch axis",
                f"an input of rank {rank}",
                "Pass another `axis`.",
            )
        return axis % rank

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {
            **config,
            "axis": self.axis,
            "data_format": self.data_format,
            "groups": self.groups,
        }
