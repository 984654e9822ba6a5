#!/bin/bash
# Runs inside the root: a screen of its own, a window manager, and GIMP, in which a Python script plays the user.
set -eu
script=$1
Xvfb -displayfd 3 -screen 0 1400x900x24 -nolisten tcp 3> "$WORK/display" > "$WORK/xvfb.log" 2>&1 &
xvfb=$!
trap 'kill $xvfb' EXIT
for _ in $(seq 100); do [ -s "$WORK/display" ] && break; sleep 0.1; done
DISPLAY=:$(cat "$WORK/display")
export DISPLAY
openbox > /dev/null 2>&1 &
timeout 400 gimp -n -s --batch-interpreter=python-fu-eval -b "exec(open('$script').read())" --quit
