"""The convolution layers of Keras, by what they do with their channels."""

from keras import layers

PLAIN = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
CONVOLUTIONS = (*PLAIN, *TRANSPOSED, *DEPTHWISE, *SEPARABLE)
