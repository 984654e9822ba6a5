#!/bin/bash
# Runs inside the root: a screen of its own, a window manager, and GIMP, in which a Python script plays the user.
set -eu
script=$1
display=:$(( 100 + $$ % 400 ))
export DISPLAY=$display
Xvfb $display -screen 0 1400x900x24 -nolisten tcp > "$WORK/xvfb.log" 2>&1 &
xvfb=$!
trap 'kill $xvfb' EXIT
for _ in $(seq 50); do xdotool getdisplaygeometry > /dev/null 2>&1 && break; sleep 0.1; done
openbox > /dev/null 2>&1 &
timeout 400 gimp -n -s --batch-interpreter=python-fu-eval -b "exec(open('$script').read())" --quit
