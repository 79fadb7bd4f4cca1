"""``python -m descend.cli`` is ``descend``."""

from descend.cli import main

if __name__ == "__main__":
    main()
