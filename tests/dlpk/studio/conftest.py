"""One server on the demo scene for all tests of the studio."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from osgeo import gdal

from dlpk.studio.access import Access
from dlpk.studio.server import make_app
from dlpk.studio.studio import Studio

SCENE = Path(__file__).parents[3] / "demo" / "scene.tif"


@pytest.fixture(scope="session")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the scene with land and water, of no round size."""
    path = tmp_path_factory.mktemp("part") / "part.tif"
    gdal.Translate(str(path), str(SCENE), srcWin=[150, 150, 420, 300])
    return path


@pytest.fixture(scope="session")
def studio(mini: Path, part: Path) -> Iterator[Studio]:
    with Studio(mini, [SCENE, part], device="cpu", say=lambda level, text: None) as studio:
        studio.agree()
        yield studio


@pytest.fixture(scope="session")
def served(studio: Studio) -> Iterator[str]:
    with serving(studio) as address:
        yield address


@contextmanager
def serving(studio: Studio) -> Iterator[str]:
    """Address of a real server."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(make_app(studio, Access()), log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
