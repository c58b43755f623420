"""``python -m transfer`` is the command `transfer`."""

from transfer.cli import main

main()
