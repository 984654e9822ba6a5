#!/bin/bash
# make-gimp-root.sh [3.0|3.2]: a real GIMP with what its tests need, in a folder of its own; prints the folder.
# Debian's trixie has GIMP 3.0, forky has 3.2. Needs root, debootstrap and a Debian mirror; a minute and a half, 800 MB.
# An existing folder is kept, a half-made one is made again.
set -euo pipefail
version=${1:-3.0}
case $version in
  3.0) suite=trixie ;;
  3.2) suite=forky ;;
  *) echo "make-gimp-root.sh: there is 3.0 and 3.2, not '$version'." >&2; exit 2 ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lptn-retouch-tests
root=$cache/gimp-$version
part=$root.part
log=$root.log
mkdir -p "$cache"
exec 9> "$root.lock"
flock 9                                                 # two test runs that both find no GIMP
if [ -e "$root/usr/bin/gimp-console" ]; then echo "$root"; exit 0; fi
cannot() { echo "make-gimp-root.sh: no GIMP $version for the tests: $1." >&2; exit 1; }
[ "$(id -u)" = 0 ] || cannot "only root can make one (chroot)"
command -v debootstrap >/dev/null || cannot "debootstrap is not installed"
command -v apt-get >/dev/null || cannot "this is not a Debian system"
export DEBIAN_FRONTEND=noninteractive
: > "$log"

# The machine's own mirror, in whichever format apt has it.
mirrors() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v -- -security | sort -u | head -1; }
mirror=$(mirrors || true)
if [ -z "$mirror" ]; then apt-get update -qq >> "$log" 2>&1 || true; mirror=$(mirrors || true); fi
[ -n "$mirror" ] || cannot "apt knows no mirror"

rm -rf --one-file-system "$part" "$root"
mkdir -p "$part/etc/dpkg/dpkg.cfg.d" "$part/etc/apt/apt.conf.d" "$part/usr/sbin"
printf 'path-exclude=/usr/share/%s/*\n' doc man info locale help > "$part/etc/dpkg/dpkg.cfg.d/99slim"
echo force-unsafe-io >> "$part/etc/dpkg/dpkg.cfg.d/99slim"
cat > "$part/etc/apt/apt.conf.d/99tests" <<'CONF'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
CONF
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid       # an older debootstrap does not know forky
debootstrap --variant=minbase "$suite" "$part" "$mirror" "$script" >> "$log" 2>&1 || cannot "debootstrap failed, see $log"
cp /etc/resolv.conf /etc/hosts "$part/etc/"
printf '#!/bin/sh\nexit 101\n' > "$part/usr/sbin/policy-rc.d"       # start no services
chmod +x "$part/usr/sbin/policy-rc.d"
{
  chroot "$part" apt-get update -qq &&
  chroot "$part" apt-get install -y -qq gimp xvfb xauth xdotool openbox imagemagick
} >> "$log" 2>&1 || cannot "apt-get failed in it, see $log"
chroot "$part" apt-get clean
rm -rf "$part"/var/lib/apt/lists/*
mv "$part" "$root"
echo "$root"
