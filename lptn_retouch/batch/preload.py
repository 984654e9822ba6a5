"""What every process of a batch needs, made once by the server that they are forked from, when it imports this.

That is what takes long to import, and the kernels, compiled or from the cache: the processes share the memory that this
takes, and start at once. Ctrl-C is meanwhile the parent's to answer. All of it is done on one thread, since those of a
process that forks are lost.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def left_alone_by_ctrl_c() -> Iterator[None]:
    answer = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, answer)


with left_alone_by_ctrl_c():
    from lptn_retouch.batch.photograph import prepare
    from lptn_retouch.batch.settings import Look
    from lptn_retouch.errors import LptnRetouchError
    from lptn_retouch.threads import keep_to

    keep_to(1)
    with suppress(LptnRetouchError):  # it is met again, and told, where it matters
        prepare(Look(), "cpu")
