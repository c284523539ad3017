"""`python -m arrcoc_gui`."""

import sys

from arrcoc_gui.app import main

if __name__ == "__main__":
    sys.exit(main())
