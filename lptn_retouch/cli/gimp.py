"""``lptn-retouch gimp``: put the filter into GIMP 3, look after it, take it out."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lptn_retouch.cli.parser import examples
from lptn_retouch.errors import InstallError, shown

if TYPE_CHECKING:
    from lptn_retouch.gimp.ask import Gimp
    from lptn_retouch.gimp.profiles import Profile


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "gimp",
        help="install the GIMP 3 plug-in, check it, remove it",
        description=__doc__,
        epilog=examples("lptn-retouch gimp install", "lptn-retouch gimp doctor"),
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install",
        help="into every profile of GIMP 3; again after an update",
        description="Install the filter into every profile of GIMP 3; again after an update.",
        epilog=examples("lptn-retouch gimp install"),
    )
    install.set_defaults(run=run_install)
    doctor = actions.add_parser(
        "doctor",
        help="what is wrong, and how to mend it; status 1 if something is",
        description="Say what is wrong, and how to mend it; status 1 if something is.",
        epilog=examples("lptn-retouch gimp doctor"),
    )
    doctor.set_defaults(run=run_doctor)
    for action in (install, doctor):
        action.add_argument("--gimp", metavar="PROGRAM", help="a GIMP 3 to ask (default: one on PATH)")
    actions.add_parser(
        "uninstall",
        help="leave nothing",
        description="Take the filter out of every profile of GIMP 3.",
        epilog=examples("lptn-retouch gimp uninstall"),
    ).set_defaults(run=run_uninstall)


def run_install(args: argparse.Namespace) -> int:
    from lptn_retouch.gimp.ask import find_gimp
    from lptn_retouch.gimp.doctor import engine_faults, hidden
    from lptn_retouch.gimp.install import engine_command, install

    gimp = find_gimp(args.gimp)
    profiles = _profiles(gimp)
    faults: list[str] = []
    for profile in profiles:
        try:
            print(f"installed: {shown(install(profile))}", flush=True)
            faults += hidden(profile, engine_command()[0])
        except InstallError as error:
            faults.append(str(error))
    faults += engine_faults(engine_command())
    faults += _unknown(gimp, profiles)
    if not faults:
        print("In GIMP: Filters > Enhance > LPTN Retouch (start GIMP again if it runs).")
    return _told(faults)


def run_doctor(args: argparse.Namespace) -> int:
    from lptn_retouch.gimp.ask import find_gimp
    from lptn_retouch.gimp.doctor import faults
    from lptn_retouch.gimp.install import shipped
    from lptn_retouch.gimp.profiles import find_profiles

    shipped()
    gimp, profiles = find_gimp(args.gimp), find_profiles()
    if not profiles:
        raise InstallError("there is no profile of GIMP 3; run lptn-retouch gimp install.")
    told: list[str] = []
    sound = []
    for profile in profiles:
        if found := list(faults(profile)):
            told += found
        else:
            print(f"sound: {shown(profile.plug_in)}", flush=True)
            sound.append(profile)
    return _told(told + _unknown(gimp, sound))


def run_uninstall(args: argparse.Namespace) -> int:  # noqa: ARG001
    from lptn_retouch.gimp.install import uninstall
    from lptn_retouch.gimp.profiles import find_profiles, remove_unused

    removed, faults = [], []
    for profile in find_profiles():
        try:
            if here := uninstall(profile):
                remove_unused(profile)
            removed += here
        except InstallError as error:
            faults.append(str(error))
    for path in removed:
        print(f"removed: {shown(path)}")
    if not removed and not faults:
        print("nothing is installed.")
    return _told(faults)


def _profiles(gimp: Gimp | None) -> list[Profile]:
    """All profiles; if there is none, the one that a GIMP makes for itself, or one made for a GIMP to come."""
    from lptn_retouch.gimp.ask import has_procedure
    from lptn_retouch.gimp.profiles import find_profiles, first_profile

    found = find_profiles()
    if not found and gimp is not None:
        has_procedure(gimp, None)  # it makes a profile when it starts, and takes over an older GIMP's settings
        found = find_profiles()
    return found or [first_profile()]


def _unknown(gimp: Gimp | None, profiles: list[Profile]) -> list[str]:
    """Ask a GIMP about the profiles that are its own, and say what it says; the faults."""
    from lptn_retouch.gimp.ask import PROCEDURE, has_procedure

    if gimp is None:
        print("no GIMP 3 is on PATH that could be asked; name one with --gimp, or look into its menu.")
        return []
    faults = []
    for profile in profiles:
        if profile.sandbox or profile.version not in ("", gimp.profile):
            continue  # another GIMP's, which this one would make its own
        has = has_procedure(gimp, profile)
        if has:
            print(f"GIMP {gimp.version} knows the filter: {shown(profile.path)}", flush=True)
            continue
        what = "could not be asked" if has is None else f"does not know {PROCEDURE}"
        faults.append(
            f"{shown(profile.path)}: GIMP {gimp.version} {what}; start {shown(gimp.program)} in a terminal and see "
            "what it says."
        )
    return faults


def _told(faults: list[str]) -> int:
    """Name each fault; the exit status."""
    for fault in faults:
        print(f"lptn-retouch: {fault}", file=sys.stderr)
    return 1 if faults else 0
