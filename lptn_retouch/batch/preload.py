"""What every process of a batch needs, imported once by the server that they are forked from."""

import lptn_retouch.color
import lptn_retouch.formats.raster
import lptn_retouch.metadata
import lptn_retouch.retoucher  # noqa: F401
