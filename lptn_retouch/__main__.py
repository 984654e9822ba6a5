"""``python -m lptn_retouch`` is ``lptn-retouch``."""

from lptn_retouch.cli import command

if __name__ == "__main__":
    command()
