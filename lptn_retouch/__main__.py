"""``python -m lptn_retouch`` is ``lptn-retouch``."""

import sys

from lptn_retouch.cli import main

sys.exit(main())
