"""The factors by which published rules scale kernels in deep networks.

All are factors of the standard deviation. Keras's `VarianceScaling` takes a variance:
there they must be squared.
"""


def fixup(branches: int, depth: int) -> float:
    """L^(-1 / (2 m - 2)) for L branches of m layers; the last layer is zero.

    Zhang, Dauphin and Ma 2019, https://arxiv.org/abs/1901.09321.
    """
    return 0.0 if depth == 1 else branches ** (-1 / (2 * depth - 2))


def t_fixup(layers: int, stack: str) -> float:
    """0.67 N^(-1/4) in an encoder of N layers, (9 N)^(-1/4) in a decoder.

    Huang, Perez, Ba and Volkovs 2020, section 3.2,
    https://proceedings.mlr.press/v119/huang20f.html.
    """
    return 0.67 * layers**-0.25 if stack == "encoder" else t_fixup_embedding(layers)


def t_fixup_embedding(layers: int) -> float:
    """(9 N)^(-1/4), for the embeddings of both stacks. The same paper."""
    return (9 * layers) ** -0.25


def gpt2(layers: float) -> float:
    """1 / sqrt(2 N): each of N layers has two residual additions.

    Radford et al. 2019, "Language models are unsupervised multitask learners", section
    2.3.
    """
    return (2 * layers) ** -0.5


def deepnorm(layers: int) -> float:
    """Beta = (8 N)^(-1/4), for a model that is an encoder or a decoder.

    Wang et al. 2022, "DeepNet: scaling transformers to 1,000 layers", figure 2,
    https://arxiv.org/abs/2203.00555.
    """
    return (8 * layers) ** -0.25


def deepnorm_of(layers: int, others: int, is_cross: bool) -> tuple[float, float]:
    """The alpha of shortcuts and the beta of kernels. The same paper.

    Args:
        layers: int. The layers of this stack.
        others: int. Those of the other stack; 0 if there is none.
        is_cross: bool. Whether this one is a decoder that attends to an encoder.
    """
    if is_cross:
        return (3 * layers) ** 0.25, (12 * layers) ** -0.25
    if others:
        size = (layers**4 * others) ** (1 / 16)
        return 0.81 * size, 0.87 / size
    return (2 * layers) ** 0.25, deepnorm(layers)


def complete_p(layers: int) -> float:
    """1 / L.

    Dey et al. 2025, "Don't be lazy: CompleteP enables compute-efficient deep
    transformers", https://arxiv.org/abs/2505.01618.
    """
    return 1 / layers
