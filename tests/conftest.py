"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Small networks only wait for more threads: hundreds of times longer on a busy machine.
os.environ["OMP_NUM_THREADS"] = "1"
# No test depends on how fast the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Take signals that the shell ignores for what runs in the background, or under nohup.

    Programs that tests start inherit that, and could not be interrupted.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what all the imports made out of every later collection of garbage.

    Code under test collects before it measures memory; that took a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the miniature; not to be changed."""
    from builder import build

    return build(tmp_path_factory.mktemp("mini") / "mini.dlpk", weights="mini").path
