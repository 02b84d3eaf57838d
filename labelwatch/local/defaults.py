"""What `labelwatch demo` and `labelwatch local up` deploy with."""

CLIENT = "demo"
LABELS_OF_INTEREST = ("bacterial-leaf-blight", "leaf-smut:90")
MIN_CONFIDENCE = 60.0


def labels_of_interest(labels: list[str]) -> str:
    """LabelsofInterest for images of these labels: the defaults among them, or any label where none of them is."""
    matching = [label for label in LABELS_OF_INTEREST if label.partition(":")[0] in labels]
    return ", ".join(matching) or "*"
