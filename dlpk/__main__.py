"""`python -m dlpk` is the command `dlpk`."""

import sys

from .cli.main import main

sys.exit(main())
