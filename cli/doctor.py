"""`summit doctor`: what is wrong with an installation, and how to mend each thing."""


def doctor() -> None:
    """Look at this installation and say how to mend what is wrong."""
