"""``python -m leadml`` is the command ``leadml``."""

from leadml.cli import main

main()
