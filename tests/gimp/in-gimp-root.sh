#!/bin/bash
# in-gimp-root.sh ROOT COMMAND...: run a command in ROOT with the host's / visible at /host, in a private mount namespace:
# the mounts end with the command, so that removing ROOT later can never reach the host. So do all processes that it starts.
# What is set in $IN_ROOT (words NAME=VALUE) is all of the environment besides PATH, LANG and LPTN_RETOUCH_ENGINE.
set -euo pipefail
root=$1
shift
exec unshare --mount --propagation private --pid --fork --kill-child -- bash -c '
  set -euo pipefail
  root=$1
  shift
  mkdir -p "$root/host"
  mount --rbind / "$root/host"
  mount --make-rprivate "$root/host"
  mount -t proc proc "$root/proc"
  exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 ${IN_ROOT:-} "$@"
' _ "$root" "$@"
