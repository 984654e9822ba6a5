"""Ray, connected to a cluster or to one of this machine alone, and how many actors of ours a machine has room for."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from lptn_retouch.batch.options import SHARE
from lptn_retouch.errors import UsageError, reason

INSTALL = 'pip install "lptn-retouch[ray]"'
# What is started for one run listens to this machine's loopback alone, whatever the system, and to those who know its
# token.
_ON_THIS_MACHINE = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address; without one, to what is started on this machine for as long.

    What the user's own program is connected to already is taken as it is.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """
    with _environment({"RAY_USAGE_STATS_ENABLED": "0"}), ExitStack() as exits:
        where = address or os.environ.get("RAY_ADDRESS", "")
        here = not where
        if here and "ray" not in sys.modules:  # Ray reads it when it is imported, and the processes it starts, later
            exits.enter_context(_environment(_ON_THIS_MACHINE))
        try:
            import ray
            from ray._private import ray_constants, worker
        except ImportError:
            raise UsageError(f"the engine ray needs Ray, which is not installed; install it with: {INSTALL}") from None
        client: Any = ray.util.client.ray
        if where.startswith("ray://") or client.is_connected():
            raise UsageError(
                "Ray's clients (ray://) cannot hear of one photograph after the other; run this on a machine of the "
                "cluster, and name the head's own --address, HOST:6379."
            )
        if ray.is_initialized():
            yield ray
            return
        if here:  # the loopback, in a program too that has imported Ray before
            _set(exits, ray_constants, "ENABLE_RAY_CLUSTER", False)
        _set(exits, worker, "print_to_stdstream", lambda *_, **__: None)  # of lost machines, between lines of --json
        _check_address(address)
        # "local", since Ray would join any cluster that it finds on this machine.
        how: dict[str, Any] = {"address": "local", "include_dashboard": False} if here else {"address": address}
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **how)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            if here:
                raise UsageError(f"Ray cannot be started ({reason(error)}); try `ray start` for more of it.") from error
            raise UsageError(
                f"no Ray cluster takes this program at {where} ({reason(error)}); let this machine be one of its own "
                f"(`ray start --address={where} --num-cpus=0`), with the same RAY_AUTH_MODE and ~/.ray/auth_token."
            ) from error
        exits.callback(ray.shutdown)
        yield ray


def nodes(ray: Any) -> list[dict[str, Any]]:
    """What Ray knows of each machine that is there."""
    return [node for node in ray.nodes() if node["Alive"]]


def ready_of(ray: Any, answers: list[Any]) -> list[Any]:
    """Those of the answers that are there, after a wait for the first, of a second at most.

    All of them, since to ask takes milliseconds where a thousand actors are to answer.
    """
    if not answers:
        time.sleep(0.1)
        return []
    ready, _ = ray.wait(answers, num_returns=1, timeout=1)
    if ready:
        ready, _ = ray.wait(answers, num_returns=len(answers), timeout=0)
    return list(ready)


def room_of(resources: Mapping[str, float], device: str) -> tuple[int, float]:
    """How many actors a machine has room for, one a core where its memory allows, and the share of a GPU for each.

    Args:
        resources: of the machine, as Ray has them.
        device: to compute on.

    Example:
        >>> room_of({"CPU": 8, "GPU": 1, "memory": 32e9}, "auto"), room_of({"CPU": 8, "memory": 1.3e9}, "auto")
        ((8, 0.125), (2, 0.0))
    """
    gpus = resources.get("GPU", 0.0) if device == "auto" or device.startswith("cuda") else 0.0
    if device.startswith("cuda") and not gpus:
        return 0, 0.0
    cores = int(resources.get("CPU", 0))
    room = min(cores, max(1, int(resources.get("memory", cores * SHARE) // SHARE)))
    return room, min(1.0, math.floor(1e4 * gpus / room) / 1e4) if room else 0.0


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """What the environment does not say already, for a while."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _set(exits: ExitStack, module: ModuleType, name: str, value: object) -> None:
    """What Ray offers no setting for, for a while."""
    if hasattr(module, name):
        exits.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, value)


def _check_address(address: str | None) -> None:
    """Refuse an address where nobody listens: Ray itself would ask for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"there is no Ray cluster at {address} ({reason(error)}); start one with `ray start`."
        ) from error
