"""Stopping a run when somebody asks for it: between two steps, so that what was learnt can be saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818  (nothing has failed)
    """A run was asked to stop, and has saved where it stands.

    Args:
        step: how many steps are done.
        number: of the signal that asked.
    """

    def __init__(self, step: int, number: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step, self.number = step, number


class Interrupt:
    """Takes Ctrl-C and SIGTERM while a run learns; a second one ends the process at once, as the system does.

    Example:
        >>> with Interrupt() as interrupt:
        ...     interrupt.number  # 0 as long as nobody asks
        0
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # no other may
            self._before = {one: signal.signal(one, self._ask) for one in _SIGNALS}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.number = number
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_DFL)
