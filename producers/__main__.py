"""`python -m producers`; the commands are in cli/."""

import sys

from producers.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
