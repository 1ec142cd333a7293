"""`python -m empathic.cli`."""

from empathic.cli.main import main

main()
