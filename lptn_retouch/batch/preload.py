"""What every process of a batch needs, made once by the server that they are forked from, when it imports this.

That is what takes long to import, and the kernels, compiled or from the cache: the processes share the memory that this
takes, and start at once. Ctrl-C is meanwhile the parent's to answer. All of it is done on one thread, since those of a
process that forks are lost.
"""

import signal
from contextlib import suppress


def _make_ready() -> None:
    answer = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import torch

        import lptn_retouch.color
        import lptn_retouch.formats.raster
        import lptn_retouch.metadata  # noqa: F401
        from lptn_retouch.batch.settings import Look
        from lptn_retouch.batch.work import prepare
        from lptn_retouch.errors import LptnRetouchError

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        with suppress(LptnRetouchError):  # it is met again, and told, where it matters
            prepare(Look(), "cpu")
        torch.set_num_threads(threads)
    finally:
        signal.signal(signal.SIGINT, answer)


_make_ready()
