"""Train the miniature CLIPSeg; ``python training/train_mini.py --help`` says how."""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):
    # Run as a file, Python looks for modules beside it and not in the project.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from training.command import main

if __name__ == "__main__":
    main()
