"""And what they need where torch does the work: on a GPU, for the reference, for a published network."""

from lptn_retouch.batch.preload import left_alone_by_ctrl_c

with left_alone_by_ctrl_c():
    import lptn_retouch.engine.reference  # noqa: F401
