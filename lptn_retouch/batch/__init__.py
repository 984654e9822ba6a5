"""A folder of photographs at once: :func:`retouch_folder`, and what it is made of.

walk        what lies in a folder
plan        what is done with each, and what the results are called (naming, settings, rules, shot)
journal     what was done, flushed to the disk line by line; standing: so what is there still to do
work        one photograph from file to files
process     a process that may die of a photograph; local: work over all cores of this machine, in as many of them
run         all of that together
forecast    the time and space it will take
watch       a folder that is kept going
report      every photograph before and after, on one page (thumbnails)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lptn_retouch.batch.settings import Look, Output

if TYPE_CHECKING:
    from lptn_retouch.batch.folder import retouch_folder
    from lptn_retouch.batch.work import Result

__all__ = ["Look", "Output", "Result", "retouch_folder"]

_HOMES = {"Result": "work", "retouch_folder": "folder"}  # imported when first used: the command's --help needs neither


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"lptn_retouch.batch.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
