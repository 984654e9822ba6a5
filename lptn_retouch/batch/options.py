"""How a batch is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from lptn_retouch.batch.plan import Choice
from lptn_retouch.batch.settings import Output
from lptn_retouch.threads import core_count

SHARE = 600_000_000  # bytes: what a photograph of 50 megapixels takes; less than that a process is not started for


@dataclass(frozen=True)
class Settings:
    """How a batch is run.

    Args:
        outputs: what is written of each photograph.
        choice: which photographs, and the look of each.
        workers: photographs in work at once; None for one a core, fewer where memory is short.
        device: to compute on.
        memory_limit: bytes that all photographs in work may take together; None for what the machine has.
        timeout: seconds that a photograph may take; None for 300, and 6 more for each megabyte of its file.
        overwrite: whether files that are not of this batch are replaced.
        check: whether what is done is read again whole and compared, and not only its size and date.
        thumbnails: whether small pictures are kept for a report.
        skip: whether files that are not of this batch are left, and their photographs skipped.
        again: whether what is a result of ours already is retouched once more.
        engine: "local", or "ray" for a cluster.
        address: of the cluster; None to start one on this machine, or for what RAY_ADDRESS says.
    """

    outputs: tuple[Output, ...] = (Output(),)
    choice: Choice = field(default_factory=Choice)
    workers: int | None = None
    device: str = "auto"
    memory_limit: int | None = None
    timeout: float | None = None
    overwrite: bool = False
    check: bool = False
    thumbnails: bool = False
    skip: bool = False
    again: bool = False
    engine: str = "local"
    address: str | None = None

    def shares(self) -> tuple[int, int, int | None]:
        """Workers, threads for each, and bytes for each."""
        from lptn_retouch.memory import memory_here

        cores = core_count()
        limit = self.memory_limit if self.memory_limit is not None else memory_here()
        workers = self.workers or (cores if limit is None else max(1, min(cores, limit // SHARE)))
        return workers, max(1, cores // workers), None if limit is None else limit // workers
