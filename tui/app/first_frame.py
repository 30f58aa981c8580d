"""placeholder"""


def restore() -> None:
    """Nothing."""
