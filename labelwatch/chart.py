"""Pictures of figures."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by people who do not see red and green alike.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def pie(counts: Mapping[str, int], title: str, file: Path) -> None:
    """A pie chart with the name, the count and the share of each part, as the picture file that the suffix says."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    total = sum(counts.values())
    wedges, *_ = axes.pie(
        list(counts.values()),
        colors=[_COLOURS[place % len(_COLOURS)] for place in range(len(counts))],
        startangle=90,
        counterclock=False,
        wedgeprops={"edgecolor": "white", "linewidth": 1.5},
    )
    legend = [f"{name}: {count} ({count / total:.0%})" for name, count in counts.items()]
    shown = figure.legend(wedges, legend, loc="outside right center", frameon=False, fontsize=12)
    for text in shown.get_texts():
        text.set_parse_math(False)  # a label with a $ in it is no formula
    axes.set_title(title, fontsize=14)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
