"""What the C libraries under LibRaw and under Pillow's TIFF decoder write straight to file descriptor 2, caught.

It is noise on the user's terminal, and also the only sign of some damage: LibRaw gives a lossy DNG that was cut, or
flipped in a bit, back as a whole picture, while the libjpeg inside writes "Corrupt JPEG data".

Not used for JPEG files: decoding them one at a time would cost a batch more than a line on the terminal is worth.
"""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# libjpeg's warnings, what LibRaw's default callback prints, and libtiff's decoders of single strips.
_COMPLAINT = re.compile(
    rb"^(Corrupt JPEG data|Premature end of JPEG file|\w+Decode\w*: |JPEGLib: "
    rb"|.*: (?i:unexpected end of file|data corrupted at -?\d+)\s*$)"
)
# What libtiff's other parts say, named by their functions; where it matters, the decoder raises as well.
_NOISE = re.compile(
    rb"^((_?TIFF|O?JPEG|Fax[34]|LZW|ZIP|ZSTD|LZMA|PackBits|Predictor|PixarLog|LogLuv|LogL16|NeXT|Thunder)[A-Z]\w*: "
    rb"|MissingRequired: |EstimateStripByteCounts: |tempfile\.tif: |Apparently should be |PNG warning: )"
)
_lock = threading.Lock()


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Catch descriptor 2 for the duration; the list given holds libjpeg's complaints once the block has ended.

    The descriptor is the whole process's, so one thread at a time is let in: keep the block short. What others write
    to it meanwhile is written out afterwards.
    """
    said: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(_lock)
        try:
            caught = stack.enter_context(tempfile.TemporaryFile())
            outside = os.dup(2)
        except OSError:  # no folder for it, or no standard error, as under a window manager: nothing is caught
            yield said
            return
        try:
            os.dup2(caught.fileno(), 2)
            try:
                yield said
            finally:
                os.dup2(outside, 2)
                caught.seek(0)
                for line in caught.read(1 << 20).splitlines(keepends=True):
                    if _COMPLAINT.search(line):
                        said.append(line.decode("utf-8", "replace").strip())
                    elif not _NOISE.match(line):
                        os.write(outside, line)
        finally:
            os.close(outside)
