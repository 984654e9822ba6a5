"""The engine process that an editor talks to over its standard input and output; docs/serve.md is the protocol."""

from lptn_retouch.serve.service import serve
from lptn_retouch.serve.wire import PROTOCOL

__all__ = ["PROTOCOL", "serve"]
