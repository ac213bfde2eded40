"""`python -m dlpk` is the command `dlpk`."""

import sys

from .cli import main

sys.exit(main())
