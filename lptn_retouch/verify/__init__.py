"""What became of every tag: the report of `lptn-retouch verify`."""
