"""What the dialog shows of a layer: before to the left of a line, after to its right; all of it, or one to one.

Drawn with GdkPixbuf alone: GIMP's Python need not have cairo.
"""

from __future__ import annotations

from gi.repository import Gdk, GdkPixbuf, Gegl, Gimp, GLib, GObject, Gtk

WIDTH, HEIGHT = 720, 480  # px of the widget
NEAR = 12  # px from the line, within which a press takes hold of it


class Picture:
    """A layer in sRGB, 8 bits, as the screen wants it; and once it is there, its retouch.

    Args:
        room: what it has to fit into, (width, height) px; None for its own size.
    """

    def __init__(self, image, layer, room=None):
        size = layer.get_width(), layer.get_height()
        scale = min(1.0, room[0] / size[0], room[1] / size[1]) if room else 1.0
        self.width = max(1, round(size[0] * scale))
        self.height = max(1, round(size[1] * scale))
        self.channels = (1 if layer.is_gray() else 3) + (1 if layer.has_alpha() else 0)
        name = ("Y'" if layer.is_gray() else "R'G'B'") + ("A u8" if layer.has_alpha() else " u8")
        rect = Gegl.Rectangle.new(0, 0, self.width, self.height)
        self.before = bytes(layer.get_buffer().get(rect, scale, name, Gegl.AbyssPolicy.CLAMP))
        self.after = None
        self.selected = None
        if not Gimp.Selection.is_empty(image):
            _, x, y = layer.get_offsets()
            rect = Gegl.Rectangle.new(round(x * scale), round(y * scale), self.width, self.height)
            self.selected = bytes(image.get_selection().get_buffer().get(rect, scale, "Y u8", Gegl.AbyssPolicy.NONE))

    @property
    def keys(self):
        """What the engine's protocol wants to know of it."""
        return {"width": self.width, "height": self.height, "channels": self.channels, "type": "u8"}

    def pixbufs(self, x, y, width, height):
        """A part of it before and after, which is the same while the retouch is not there."""
        before = on_checks(pixbuf(crop(self.before, self, x, y, width, height, self.channels), width, height))
        if not self.after:
            return before, before
        data = crop(self.after, self, x, y, width, height, self.channels)
        after = on_checks(pixbuf(data, width, height))
        if self.selected:
            rgba = bytearray(4 * width * height)
            rows, stride = after.read_pixel_bytes().get_data(), after.get_rowstride()
            packed = b"".join(rows[r * stride : r * stride + 3 * width] for r in range(height))
            for channel in range(3):
                rgba[channel::4] = packed[channel::3]
            rgba[3::4] = crop(self.selected, self, x, y, width, height, 1)
            top, after = pixbuf(bytes(rgba), width, height), before.copy()
            nearest = GdkPixbuf.InterpType.NEAREST
            top.composite(after, 0, 0, width, height, 0, 0, 1, 1, nearest, 255)
        return before, after


def crop(data, picture, x, y, width, height, channels):
    """Rows of a part of a picture's bytes, one after the other."""
    if (x, y, width, height) == (0, 0, picture.width, picture.height):
        return data
    starts = (((y + row) * picture.width + x) * channels for row in range(height))
    return b"".join(data[start : start + width * channels] for start in starts)


def pixbuf(data, width, height):
    """A pixbuf of 8-bit samples with 1 to 4 channels; grey becomes RGB."""
    channels = len(data) // (width * height)
    if channels < 3:
        wide = bytearray((channels + 2) * width * height)
        for channel in range(channels + 2):
            wide[channel :: channels + 2] = data[max(0, channel - 2) :: channels]
        data, channels = bytes(wide), channels + 2
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(data), GdkPixbuf.Colorspace.RGB, channels == 4, 8, width, height, width * channels
    )


def on_checks(picture):
    """A pixbuf without transparency: on GIMP's grey checks where it has some."""
    if not picture.get_has_alpha():
        return picture
    width, height = picture.get_width(), picture.get_height()
    solid = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, width, height)
    nearest = GdkPixbuf.InterpType.NEAREST
    picture.composite_color(
        solid, 0, 0, width, height, 0, 0, 1, 1, nearest, 255, 0, 0, 8, 0xFF999999, 0xFF666666
    )  # fmt: skip
    return solid


class Preview(Gtk.Box):
    """The view, with a slider for the line. Emits size-chosen when the user has chosen Fit or 100 %."""

    __gsignals__ = {"size-chosen": (GObject.SignalFlags.RUN_FIRST, None, ())}  # noqa: RUF012

    def __init__(self, picture):
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.picture = picture
        self.x = self.y = 0
        self.pair = None
        self.grip = None
        self.image = Gtk.Image()
        events = Gtk.EventBox()
        events.add(self.image)
        events.set_size_request(WIDTH, HEIGHT)
        events.add_events(Gdk.EventMask.BUTTON_MOTION_MASK)
        events.connect("button-press-event", self._press)
        events.connect("motion-notify-event", self._motion)
        events.get_accessible().set_name("Preview: before to the left, after to the right")
        self.line = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, 1, 0.01)
        self.line.set_draw_value(False)
        self.line.set_value(0.5)
        self.line.set_tooltip_text("Where the line between before and after stands")
        self.line.connect("value-changed", lambda _line: self.draw())
        row = Gtk.Box(spacing=6)
        row.pack_start(Gtk.Label(label="Before"), False, False, 0)
        row.pack_start(self.line, True, True, 0)
        row.pack_start(Gtk.Label(label="After"), False, False, 0)
        self.fit = Gtk.RadioButton.new_with_mnemonic_from_widget(None, "_Fit")
        self.full = Gtk.RadioButton.new_with_mnemonic_from_widget(self.fit, "_100 %")
        for button in (self.fit, self.full):
            button.set_mode(False)
            row.pack_start(button, False, False, 0)
        self.full.connect("toggled", lambda _button: self.emit("size-chosen"))
        self.pack_start(events, True, True, 0)
        self.pack_start(row, False, False, 0)
        self.show_picture(picture)

    def show_picture(self, picture):
        """Show this one from now on, its middle if it is larger than the view."""
        self.picture = picture
        self.move_to((picture.width - WIDTH) // 2, (picture.height - HEIGHT) // 2)

    def move_to(self, x, y):
        """Show the part that begins there, as far as there is one."""
        self.x = max(0, min(x, self.picture.width - WIDTH))
        self.y = max(0, min(y, self.picture.height - HEIGHT))
        self.refresh()

    def refresh(self):
        """Take the picture's pixels anew."""
        size = min(WIDTH, self.picture.width), min(HEIGHT, self.picture.height)
        self.pair = self.picture.pixbufs(self.x, self.y, *size)
        self.draw()

    def draw(self):
        """Put the two halves together."""
        before, after = self.pair
        width, height = before.get_width(), before.get_height()
        at = round(self.line.get_value() * width)
        shown = before.copy()
        if at < width:
            after.copy_area(at, 0, width - at, height, shown, at, 0)
        for x, colour in ((at - 1, 0xFFFFFFFF), (at, 0x000000FF)):
            if 0 < at < width:
                shown.new_subpixbuf(x, 0, 1, height).fill(colour)
        self.image.set_from_pixbuf(shown)

    def _press(self, widget, event):
        line = self._left(widget) + self.line.get_value() * self.pair[0].get_width()
        pans = self.picture.width > WIDTH or self.picture.height > HEIGHT
        self.grip = (event.x, event.y, self.x, self.y) if pans and abs(event.x - line) > NEAR else None
        self._motion(widget, event)

    def _motion(self, widget, event):
        if self.grip:
            x, y, left, top = self.grip
            self.move_to(left + round(x - event.x), top + round(y - event.y))
        else:
            self.line.set_value((event.x - self._left(widget)) / self.pair[0].get_width())

    def _left(self, widget):
        """Where the picture, which stands in the middle of the widget, begins."""
        return (widget.get_allocated_width() - self.pair[0].get_width()) / 2
