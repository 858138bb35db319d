"""`python -m hamn_flow` is `hamn-flow`."""

import sys

from hamn_flow.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
