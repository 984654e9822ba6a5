#!/usr/bin/env python3
"""Filters > Enhance > LPTN Retouch: a GIMP 3 plug-in that moves pixels to the engine of lptn-retouch and back.

Standard library and gi only, so it runs in whatever Python a GIMP brings along. The engine is a process in its own
Python (engine.py starts it); pixels.py reads and writes layers; dialog.py is imported only when there is a dialog.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
gi.require_version("Babl", "0.1")
from gi.repository import Gegl, Gimp, GLib, GObject  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
import pixels  # noqa: E402
from engine import Engine, EngineError  # noqa: E402

PROCEDURE = "plug-in-lptn-retouch"
SUCCESS, CANCEL, FAILED = (
    Gimp.PDBStatusType.SUCCESS,
    Gimp.PDBStatusType.CANCEL,
    Gimp.PDBStatusType.EXECUTION_ERROR,
)


def run(procedure, run_mode, image, drawables, config, _data):
    """What GIMP calls."""
    engine = None
    try:
        Gegl.init(None)
        jobs = pixels.plan(image, drawables)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from dialog import ask_user  # GimpUi needs a display

            agreed, engine = ask_user(procedure, image, drawables, config)
            if not agreed:
                return procedure.new_return_values(CANCEL, GLib.Error())
        settings = {name: config.get_property(name) for name in ("preset", "amount", "detail")}
        Gimp.progress_init(f"LPTN Retouch: {settings['preset']}")
        engine = engine or Engine()
        new_layer = config.get_property("new-layer")
        notices = pixels.retouch(image, jobs, engine, settings, new_layer, Gimp.progress_update)
        if notices and run_mode != Gimp.RunMode.NONINTERACTIVE:
            Gimp.message("\n".join(notices))
        return procedure.new_return_values(SUCCESS, GLib.Error())
    except EngineError as error:
        return failed(procedure, str(error))
    except Exception as error:
        traceback.print_exc()
        return failed(procedure, f"This is a fault of the plug-in LPTN Retouch, please report it: {error!r}.")
    finally:
        if engine:
            engine.close()
        Gimp.progress_end()


def failed(procedure, sentence):
    """An error whose text GIMP shows, and hands to a script."""
    return procedure.new_return_values(FAILED, GLib.Error.new_literal(Gimp.PlugIn.error_quark(), sentence, 0))


class LptnRetouch(Gimp.PlugIn):
    """What GIMP asks once, when it first sees this file."""

    def do_set_i18n(self, _name):
        return False

    def do_query_procedures(self):
        return [PROCEDURE]

    def do_create_procedure(self, name):
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("RGB*, GRAY*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
        procedure.set_documentation(
            "Retouch a photograph with a preset",
            "Retouches the chosen layers with a preset of lptn-retouch, at full size and depth, through the selection.",
            name,
        )
        procedure.set_menu_label("LPTN _Retouch…")
        procedure.set_attribution("The lptn_retouch developers", "Apache-2.0", "2026")
        procedure.add_menu_path("<Image>/Filters/Enhance")
        flags = GObject.ParamFlags.READWRITE
        procedure.add_string_argument(
            "preset", "_Preset", "Name of a preset, or the path of its file", "retouch", flags
        )
        procedure.add_double_argument("amount", "_Amount", "How much of the change of colour and light", 0, 2, 1, flags)
        procedure.add_double_argument("detail", "_Detail", "How much of the change of fine detail", 0, 2, 1, flags)
        procedure.add_boolean_argument(
            "new-layer", "Result as a _new layer", "Leave the layer as it is and put the result above it", False, flags
        )
        return procedure


Gimp.main(LptnRetouch.__gtype__, sys.argv)
