"""The attention layers of Keras, whose sublayers are their projections."""

from keras import layers

ATTENTIONS = (layers.MultiHeadAttention, layers.GroupQueryAttention)
