"""`python -m arrcoc_core.cli`: the same as the `arrcoc` command."""

import sys

from arrcoc_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
