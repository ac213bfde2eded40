"""The command: thin layers over the functions of the library."""

import sys

from ..installation import check_neighbours

try:
    check_neighbours()
except ImportError as error:
    sys.exit(f"dlpk: error: {error}")
