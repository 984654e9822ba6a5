"""Which pictures a run learnt from, by name and content: ``manifest.json`` in its folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from lptn_retouch.files import write_atomically
from lptn_retouch.training.data.cache import sha256_of

MANIFEST = "manifest.json"


def write_manifest(run: Path, files: dict[str, list[Path]]) -> bool:
    """List pictures with their bytes and SHA-256, unless the run began with other pictures.

    Args:
        run: the run's folder.
        files: the pictures, by what they were read for.

    Returns:
        Whether the run's pictures are these.
    """
    listed = {
        what: [
            {"name": f"{p.parent.name}/{p.name}", "bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in pictures
        ]
        for what, pictures in files.items()
    }
    data = json.dumps(listed, indent=1, ensure_ascii=False).encode("utf-8", errors="backslashreplace")
    file = run / MANIFEST
    if file.exists() and file.read_bytes() != data:
        return False
    write_atomically(file, lambda stream: stream.write(data))
    return True


def describe_manifest(run: Path) -> str:
    """How many pictures a run read, and the manifest's SHA-256, for a preset's header."""
    data = (run / MANIFEST).read_bytes()
    counts = ", ".join(f"{len(pictures)} {what}" for what, pictures in json.loads(data).items() if pictures)
    return f"pictures: {counts}; manifest sha256 {hashlib.sha256(data).hexdigest()}"
