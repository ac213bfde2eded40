"""A connection to a cluster: one's own, or one of processes on this machine."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ...errors import ArgumentsError, ClusterError
from ...raster.gdal_config import processors

# Variables that tell numerical libraries how many threads they may use.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Answering takes no longer, in seconds.
PATIENCE = 30


@contextmanager
def connected(workers: int | None = None, scheduler: str | None = None) -> Iterator[Any]:
    """Connect to a scheduler, or start worker processes here for the time of a ``with`` block.

    Workers that are started share the processors out among themselves. What secures the
    connection (TLS) is taken from Dask's configuration.

    Parameters
    ----------
    workers : int, optional
        How many to start.
    scheduler : str, optional
        Address, such as ``tcp://host:8786`` or ``tls://host:8786``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ImportError
        Dask is not installed.
    DlpkError
        Nobody answers at the address.
    """
    import dask
    import distributed
    from distributed.comm.addressing import get_address_host_port

    Client: Any = distributed.Client
    LocalCluster: Any = distributed.LocalCluster
    if (workers is None) == (scheduler is None):
        raise ArgumentsError("either a number of workers or the address of a scheduler is needed")
    if scheduler is not None:
        try:
            get_address_host_port(scheduler)  # else a client that never was one is torn down late
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = str(error) or type(error).__name__
            raise ClusterError(f"no scheduler answers at {scheduler}: {reason}") from error
        try:
            yield client
        finally:
            _close(client)
        return
    assert workers is not None
    if workers < 1:
        raise ArgumentsError(f"the number of workers is {workers}; it must be at least 1")
    share = str(max(1, processors() // workers))
    environment = dict.fromkeys(THREADS, share)
    with (
        _main_stays_here(),
        dask.config.set(
            {
                # Without Dask's own MALLOC_TRIM_THRESHOLD_, with which every large array comes anew
                # from the system, which slows networks down.
                "distributed.nanny.pre-spawn-environ": environment,
                # A worker that was killed comes back, however often.
                "distributed.deploy.lost-worker-timeout": "30 days",
            }
        ),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        client = Client(cluster, set_as_default=False)
        try:
            yield client
        finally:
            _close(client)


@contextmanager
def needing(resources: Sequence[str]) -> Iterator[None]:
    """Give work only to workers that have something, for the time of a ``with`` block.

    Parameters
    ----------
    resources : sequence of str
        ``NAME=N``, as workers were told with Dask's ``--resources``.

    Raises
    ------
    ArgumentsError
        One is not that.
    """
    from dask.base import annotate

    try:
        needed = {name: float(number) for name, number in (r.split("=") for r in resources)}
    except ValueError as error:
        raise ArgumentsError(f"--resource {' '.join(resources)!r} is not NAME=N") from error
    with annotate(**({"resources": needed} if needed else {})):
        yield


def dashboard(client: Any) -> str | None:
    """Address of Dask's dashboard; None if what it needs is not installed."""
    return str(client.dashboard_link) if find_spec("bokeh") and client.dashboard_link else None


def _close(client: Any) -> None:
    """Close a connection; one that is lost is not waited for."""
    client.close(**({} if client.status == "running" else {"timeout": 1}))


@contextmanager
def _main_stays_here() -> Iterator[None]:
    """Keep new processes from running the script that started this one."""
    main: dict[str, Any] = vars(sys.modules["__main__"])
    kept: dict[str, Any] = {
        name: main.pop(name) for name in ("__file__", "__spec__") if name in main
    }
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(kept)
