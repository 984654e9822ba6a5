"""The dialog: presets with a thumbnail each, amount and detail, a preview, and the command line that does the same.

All widgets and all of GIMP are touched in the main thread only; worker.py has the engine.
"""

from __future__ import annotations

import shlex

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, Gimp, GimpUi, GLib, Gtk  # noqa: E402
from preview import HEIGHT, WIDTH, Picture, Preview, on_checks, pixbuf  # noqa: E402
from worker import Worker  # noqa: E402

SETTLED = 150  # ms that a slider has to stand still before the engine is asked
PATIENCE = 3  # seconds that a preview in work may hold up the result
THUMBNAIL = 84  # px
SETTINGS = ("preset", "amount", "detail")


def ask_user(procedure, image, layers, config):
    """Show the dialog until it is answered: whether it was OK, and an engine that is warm, or None."""
    GimpUi.init(procedure.get_name())
    dialog = Dialog(procedure, image, layers[0], config)
    agreed = dialog.window.run()
    dialog.window.destroy()
    if agreed:
        Gimp.progress_init("LPTN Retouch")  # with it comes a Cancel button
    return agreed, dialog.close(PATIENCE if agreed else 0)


def command_line(image, config):
    """What does the same in a terminal, to an image's file."""
    file = image.get_file() or image.get_imported_file()
    words = ["lptn-retouch", "apply", (file and file.get_path()) or "FILE", "-p", config.get_property("preset")]
    for name in ("amount", "detail"):
        value = round(config.get_property(name), 3)
        words += [f"--{name}", f"{value:g}"] if value != 1 else []
    return shlex.join(words)


class Dialog:
    """Args: layer, the first of those to be retouched, is the one that is shown."""

    def __init__(self, procedure, image, layer, config):
        self.photo, self.layer, self.config = image, layer, config
        self.mark = 0  # of the newest preview that was asked for
        self.timer = 0
        self.closed = False
        self.rows = {}  # preset: its row
        self.pictures = {"fit": Picture(image, layer, (WIDTH, HEIGHT))}
        self.thumbnail = Picture(image, layer, (THUMBNAIL, THUMBNAIL))
        self.window = GimpUi.ProcedureDialog.new(procedure, config, "LPTN Retouch")
        self.preview = Preview(self.pictures["fit"])
        self.preview.connect("size-chosen", self._size_chosen)
        self.status = Gtk.Label(label="Starting the engine…", wrap=True, xalign=0, selectable=True, max_width_chars=90)
        columns = Gtk.Box(spacing=12, border_width=12)
        columns.pack_start(self._controls(), False, False, 0)
        right = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        right.pack_start(self.preview, True, True, 0)
        right.pack_start(self.status, False, False, 0)
        right.pack_start(self._command(), False, False, 0)
        columns.pack_start(right, True, True, 0)
        columns.show_all()
        self.window.get_content_area().pack_start(columns, True, True, 0)
        self._agree_possible(False)
        help_button = self.window.get_widget_for_response(Gtk.ResponseType.HELP)
        if help_button:
            help_button.hide()  # it would look for a page in GIMP's own manual
        self.worker = Worker(lambda *news: GLib.idle_add(self._told, *news))
        self.worker.add_picture("fit", self.pictures["fit"].keys, (self.pictures["fit"].before,))
        self.worker.add_picture("thumbnail", self.thumbnail.keys, (self.thumbnail.before,))
        config.connect("notify", self._changed)
        self._changed(config, None)

    def close(self, patience):
        """Let go of the engine: it, if it lives."""
        self.closed = True
        if self.timer:
            GLib.source_remove(self.timer)
        return self.worker.stop(patience)

    # ---- widgets

    def _controls(self):
        self.list = Gtk.ListBox()
        self.list.connect("row-selected", self._row_selected)
        self.list.connect("mnemonic-activate", self._focus_list)
        scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, shadow_type=Gtk.ShadowType.IN)
        scrolled.add(self.list)
        scrolled.set_size_request(330, -1)
        for name in ("amount", "detail"):
            self.window.get_scale_entry(name, 1.0)
        title = Gtk.Label.new_with_mnemonic("_Preset")
        title.set_xalign(0)
        title.set_mnemonic_widget(self.list)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.pack_start(title, False, False, 0)
        box.pack_start(scrolled, True, True, 0)
        box.pack_start(
            self.window.fill_box("lptn-retouch-controls", ["amount", "detail", "new-layer"]), False, False, 0
        )
        return box

    def _command(self):
        self.command = Gtk.Entry(editable=False, hexpand=True)
        self.command.set_tooltip_text("What does the same in a terminal")
        copy = Gtk.Button.new_with_mnemonic("Cop_y")
        copy.set_tooltip_text("Copy the command line")
        copy.connect("clicked", self._copy)
        row = Gtk.Box(spacing=6)
        row.pack_start(self.command, True, True, 0)
        row.pack_start(copy, False, False, 0)
        return row

    def _copy(self, _button):
        clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
        clipboard.set_text(self.command.get_text(), -1)
        clipboard.store()

    def _add_preset(self, preset):
        row = Gtk.ListBoxRow()
        row.preset = preset["name"]
        row.image = Gtk.Image.new_from_pixbuf(self._small(self.thumbnail.before))
        row.image.set_size_request(THUMBNAIL, -1)
        name = Gtk.Label(label=preset["name"] + (" (yours)" if preset.get("own") else ""), xalign=0)
        box = Gtk.Box(spacing=8, border_width=4)
        box.pack_start(row.image, False, False, 0)
        box.pack_start(name, True, True, 0)
        row.add(box)
        row.set_tooltip_text(preset.get("summary"))
        self.list.add(row)
        self.rows[preset["name"]] = row

    def _small(self, data):
        return on_checks(pixbuf(data, self.thumbnail.width, self.thumbnail.height))

    def _agree_possible(self, possible):
        self.window.set_response_sensitive(Gtk.ResponseType.OK, possible)

    # ---- what the user does

    def _row_selected(self, _list, row):
        if row and row.preset != self.config.get_property("preset"):
            self.config.set_property("preset", row.preset)

    def _focus_list(self, _list, _cycling):
        (self.list.get_selected_row() or self.list).grab_focus()
        return True

    def _changed(self, config, _property):
        self.command.set_text(command_line(self.photo, config))
        row = self.rows.get(config.get_property("preset"))
        if row != self.list.get_selected_row():
            self.list.select_row(row)
            GLib.idle_add(self._scroll_to, row)  # when it has been laid out
        self.later()

    def _scroll_to(self, row):
        if row and not self.closed:
            place = row.get_allocation()
            self.list.get_adjustment().clamp_page(place.y, place.y + place.height)
        return False

    def _size_chosen(self, preview):
        name = "full" if preview.full.get_active() else "fit"
        if name not in self.pictures:
            picture = self.pictures[name] = Picture(self.photo, self.layer)
            self.worker.add_picture(name, picture.keys, (picture.before,))
        preview.show_picture(self.pictures[name])
        self.later()

    def later(self):
        """Ask for a preview when nothing has changed for a moment."""
        if self.timer:
            GLib.source_remove(self.timer)
        self.timer = GLib.timeout_add(SETTLED, self._ask)

    def _ask(self):
        self.timer = 0
        self.mark += 1
        name = "full" if self.preview.full.get_active() else "fit"
        self.worker.want(name, {key: self.config.get_property(key) for key in SETTINGS}, self.mark)
        if self.rows:
            self.status.set_text("Retouching the preview…")
        return False

    # ---- what the worker tells

    def _told(self, what, *news):
        if not self.closed:
            getattr(self, f"_told_{what}")(*news)
        return False

    def _told_presets(self, presets):
        for preset in presets:
            self._add_preset(preset)
        self.list.show_all()
        self._changed(self.config, None)
        self._agree_possible(True)
        self.worker.want_thumbnails([preset["name"] for preset in presets])

    def _told_thumbnail(self, preset, data):
        self.rows[preset].image.set_from_pixbuf(self._small(data))

    def _told_preview(self, name, data, mark):
        if mark == self.mark:
            self._show(name, data)
            self.status.set_text("")
            self._agree_possible(True)

    def _told_failed(self, sentence, mark):
        if mark in (None, self.mark):
            self.status.set_text(sentence)
        if mark == self.mark:
            self._show("fit", None)

    def _show(self, name, after):
        for picture in self.pictures.values():
            picture.after = None  # of other settings
        self.pictures[name].after = after
        self.preview.refresh()
