"""Lets `python -m limner.cli` do what `limner` does."""

from limner.cli import main

if __name__ == "__main__":
    main()
