"""How a photograph stands: to be done, done already, or not to be done since a file of somebody else is in the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lptn_retouch.batch.journal import Past, Record
from lptn_retouch.batch.plan import Job, Plan
from lptn_retouch.batch.storage import is_remote, sha256_of
from lptn_retouch.errors import InTheWayError, shown
from lptn_retouch.files import check_free


@dataclass(frozen=True)
class Standing:
    """What there is to do for a photograph: all of it, unless one of these says otherwise.

    Args:
        record: of the journal, if it is done and nothing has changed since.
        refusal: why it is not to be done, one sentence.
    """

    record: Record | None = None
    refusal: str | None = None


def standing(
    job: Job, plan: Plan, recipe: dict[str, Any], past: Past, *, check: bool, overwrite: bool, again: bool = False
) -> Standing:
    """Find out how a photograph stands.

    Sizes and dates are believed, unless `check` asks for all files to be read; where only a date differs, the file is
    read. A result that another program has changed since counts as somebody else's.

    Args:
        recipe: what it is to be done with, from :func:`lptn_retouch.batch.settings.recipe_of`.
        again: whether what is a result of ours itself is to be retouched.
    """
    record = past.done(job.found.file)
    if record is not None and record["outcome"] == "skipped":  # it was found to be a result itself
        if not again and _same_source(job, plan, record, check):
            return Standing(record)
    elif record is not None:
        named = {output["file"] for output in record["outputs"]}
        same_work = record["recipe"] == recipe and named == set(job.written)
        states = [_state_there(plan, output, check=check) for output in record["outputs"]]
        kept = "missing" not in states and "rotten" not in states
        if same_work and kept and _same_source(job, plan, record, check) and _same_sidecars(job, plan, record, check):
            return Standing(record)
        if not record["here"] and any(state != "missing" for state in states) and not overwrite:
            return Standing(refusal=_in_the_way(job, "is of a photograph of this name from another folder"))
        changed = next((o["file"] for o, s in zip(record["outputs"], states, strict=True) if s == "changed"), None)
        if changed in job.written and not overwrite:
            return Standing(refusal=_in_the_way(job, "was changed by another program since", changed))
    for target in job.written:
        own = past.claims.get(target) == job.found.file
        results = plan.results
        if is_remote(results):
            if target in plan.there and not (overwrite or own):
                return Standing(refusal=_in_the_way(job, "is there already", target))
            continue
        try:
            check_free(results / target, overwrite=overwrite or own)
        except InTheWayError as error:
            return Standing(refusal=str(error))
    return Standing()


def new_targets(job: Job, past: Past, *, overwrite: bool) -> frozenset[str]:
    """Results that may take the place of no file, should one have come meanwhile: those that are not of this batch."""
    return frozenset(target for target in job.written if not overwrite and past.claims.get(target) != job.found.file)


def _in_the_way(job: Job, what: str, target: str | None = None) -> str:
    return (
        f"{shown(target or job.written[0])} {what}, so it is left as it is; --overwrite replaces it, or choose another "
        "folder."
    )


def _state_there(plan: Plan, output: dict[str, Any], *, check: bool) -> str:
    """:func:`_state` of a result, wherever it is."""
    place = plan.results / output["file"]
    if not is_remote(place):
        return _state(place, output, check=check)
    if output["file"] not in plan.there:
        return "missing"
    if plan.there[output["file"]] != (output.get("size"), output.get("modified")):
        return "changed"
    return "rotten" if check and sha256_of(place) != output.get("sha256") else "same"


def _state(path: Path, output: dict[str, Any], *, check: bool) -> str:
    """What has become of a result: as it was, missing, changed, or rotten: other bytes without anybody's writing."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    dated = status.st_mtime_ns == output.get("modified")
    if status.st_size != output.get("size"):
        return "changed"
    if dated and not check:
        return "same"
    if sha256_of(path) == output.get("sha256"):
        return "same"
    return "rotten" if dated else "changed"


def _same_source(job: Job, plan: Plan, record: Record, check: bool) -> bool:
    known = record["source"]
    same = bool((job.found.size, job.found.modified) == (known["size"], known["modified"]))
    if same and record["here"] and not check:
        return True
    return bool(job.found.size == known["size"]) and sha256_of(plan.source / job.found.file) == known["sha256"]


def _same_sidecars(job: Job, plan: Plan, record: Record, check: bool) -> bool:
    """A copy has its sidecar's size, date and SHA-256, so what is on record of the one is true of the other."""
    copies = {output["file"]: output for output in record["outputs"]}
    for name, copy in job.sidecars:
        place = plan.source / name
        if is_remote(place) or is_remote(plan.results):  # whose dates are not those of their copies
            if sha256_of(place) != copies[copy].get("sha256"):
                return False
        elif _state(place, copies[copy], check=check) != "same":
            return False
    return True
