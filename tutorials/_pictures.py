"""Pictures that can be read on white and on black."""

GREY = "#808080"
# For `plt.rc_context`; save with `transparent=True`.
ON_ANY_PAGE = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.framealpha": 0,
}
