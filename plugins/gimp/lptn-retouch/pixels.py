"""Pixels of a GIMP layer, out and back in: its own depth and colour space, the selection, one undo step."""

from __future__ import annotations

from pathlib import Path

from engine import EngineError
from gi.repository import Babl, Gegl, Gimp

# Linear pictures travel as non-linear numbers, which need more bits than they had. What is not named travels as floats.
TYPES = {
    Gimp.Precision.U8_NON_LINEAR: "u8",
    Gimp.Precision.U8_PERCEPTUAL: "u8",
    Gimp.Precision.U8_LINEAR: "u16",
    Gimp.Precision.U16_NON_LINEAR: "u16",
    Gimp.Precision.U16_PERCEPTUAL: "u16",
}
IN_BABL = {"u8": "u8", "u16": "u16", "f32": "float"}


def plan(image, drawables):
    """One job a layer; what cannot be retouched is refused before the engine is started.

    Raises:
        EngineError: no layer, or one that is a group, a mask, a channel; an indexed image; nothing of it is selected.
    """
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        raise EngineError("An indexed image cannot be retouched; choose Image > Mode > RGB first.")
    if not drawables:
        raise EngineError("No layer is selected; click one in the list of layers first.")
    for drawable in drawables:
        if not isinstance(drawable, Gimp.Layer):
            raise EngineError(
                f"{drawable.get_name()} is a mask or a channel, not a picture; click the picture of a layer first."
            )
        if drawable.is_group():
            raise EngineError(
                f"{drawable.get_name()} is a group, which has no pixels of its own; choose the layers in it."
            )
    return [Job(image, layer) for layer in drawables]


def locked(layer):
    """Whether the layer, or a group that it lies in, may not be changed."""
    while layer:
        if layer.get_lock_content():
            return True
        layer = layer.get_parent()
    return False


def own_format(drawable, wire_type):
    """The babl format for the exchange, in the drawable's own space: a plain "R'G'B' u16" would mean sRGB and clip."""
    name = ("Y'" if drawable.is_gray() else "R'G'B'") + ("A" if drawable.has_alpha() else "") + " " + IN_BABL[wire_type]
    return Babl.get_name(Babl.format_with_space(name, drawable.get_format()))


def channels(drawable):
    """How many numbers a pixel has on the wire."""
    return (1 if drawable.is_gray() else 3) + (1 if drawable.has_alpha() else 0)


def profile(image):
    """The ICC profile that says what the exchanged numbers mean; empty for sRGB.

    An image without a profile has sRGB's space and curve in babl. GIMP's effective profile would name it linear if the
    image's precision is, but the numbers that `own_format` asks for are not.
    """
    if image.get_color_profile() is None:
        return b""
    return bytes(image.get_effective_color_profile().get_icc_profile())


class Job:
    """A layer's pixels, to be retouched. The whole layer is read: what is done to a part of a photograph depends on
    the whole, and a selection says where it shows.

    Raises:
        EngineError: the selection does not touch the layer.
    """

    def __init__(self, image, layer):
        self.image, self.layer = image, layer
        touched, x, y, width, height = layer.mask_intersect()
        if not touched or not width or not height:
            raise EngineError(f"The selection does not touch the layer {layer.get_name()}; choose Select > None.")
        self.box = (x, y, width, height)
        self.rect = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
        wire_type = TYPES.get(image.get_precision(), "f32")
        self.format = own_format(layer, wire_type)
        self.request = {
            "do": "retouch",
            "width": layer.get_width(),
            "height": layer.get_height(),
            "channels": channels(layer),
            "type": wire_type,
        }
        self.result = None

    def retouch(self, engine, settings, progress):
        """Ask the engine, with the settings' preset, amount and detail: what the user should know, in sentences."""
        try:
            pixels = self.layer.get_buffer().get(self.rect, 1.0, self.format, Gegl.AbyssPolicy.CLAMP)
            message, payloads = engine.ask(dict(self.request, **settings), (pixels, profile(self.image)), progress)
        except MemoryError:
            raise EngineError(
                "GIMP has too little memory for this picture; close other images, or retouch a smaller one.", "memory"
            ) from None
        if len(payloads) != 1 or len(payloads[0]) != len(pixels):
            raise EngineError("The engine answered with a picture of another size; run: lptn-retouch gimp doctor.")
        self.result = payloads[0]
        return list(message.get("notices", ()))

    def put(self):
        """Write the result into the layer, through the selection.

        Raises:
            EngineError: GIMP does not let it be changed.
        """
        shadow = self.layer.get_shadow_buffer()
        shadow.set(self.rect, self.format, self.result)
        shadow.flush()
        if not self.layer.merge_shadow(True):  # no exception: only this tells of a layer that may not be changed
            why = (Gimp.get_pdb().get_last_error() or "it may not be changed").rstrip(".")
            raise EngineError(f"{self.layer.get_name()}: {why}; take the result as a new layer.")
        self.layer.update(*self.box)

    def put_above(self, preset):
        """Write the result into a new layer above, whose mask is what is selected and the layer's own mask shows."""
        image, layer = self.image, self.layer
        name = "LPTN " + Path(preset).stem
        size = layer.get_width(), layer.get_height()
        new = Gimp.Layer.new(image, name, *size, layer.type(), 100, Gimp.LayerMode.NORMAL)
        buffer = new.get_buffer()
        buffer.set(self.rect, self.format, self.result)
        buffer.flush()
        image.insert_layer(new, layer.get_parent(), image.get_item_position(layer))
        _, x, y = layer.get_offsets()
        new.set_offsets(x, y)
        new.update(0, 0, *size)
        add_mask(image, layer, new)


def add_mask(image, layer, new):
    """Give the new layer a mask of the selection and of the layer's own mask, if there is any; keep the selection."""
    mask = layer.get_mask() if layer.get_mask() and layer.get_apply_mask() else None
    selected = not Gimp.Selection.is_empty(image)
    if not mask:
        if selected:
            new.add_mask(new.create_mask(Gimp.AddMaskType.SELECTION))
        return
    before = Gimp.Selection.save(image) if selected else None
    image.select_item(Gimp.ChannelOps.INTERSECT if selected else Gimp.ChannelOps.REPLACE, mask)
    new.add_mask(new.create_mask(Gimp.AddMaskType.SELECTION))
    if before:
        image.select_item(Gimp.ChannelOps.REPLACE, before)
        image.remove_channel(before)
    else:
        Gimp.Selection.none(image)


def retouch(image, jobs, engine, settings, new_layer, progress):
    """Do all jobs in one undo step: what the user should know, in sentences.

    The step is opened only when the engine has answered for all: Cancel kills a plug-in, and with a step open GIMP
    would then tell of an inconsistent state.

    Raises:
        EngineError: a layer is locked, or the engine cannot do it. Nothing has been changed then.
    """
    for job in jobs:
        if locked(job.layer) and not new_layer:
            raise EngineError(
                f"{job.layer.get_name()} is locked; unlock its pixels in the list of layers, "
                "or take the result as a new layer."
            )
    notices = []
    for done, job in enumerate(jobs):
        notices += job.retouch(engine, settings, lambda share, done=done: progress((done + share) / len(jobs)))
    image.undo_group_start()
    try:
        for job in jobs:
            if new_layer:
                job.put_above(settings["preset"])
            else:
                job.put()
    finally:
        image.undo_group_end()
    Gimp.displays_flush()
    return list(dict.fromkeys(notices))
