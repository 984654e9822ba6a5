"""The checks without a display. Runs inside GIMP, once for all of them; writes one JSON object to $WORK/results.json.

test_gimp.py starts it and tells the results one by one.
"""

import array
import itertools
import json
import os
import sys
import time
import traceback
from pathlib import Path

from gi.repository import Babl, Gegl, Gimp, Gio

WORK = Path(os.environ["WORK"])
sys.path.insert(0, str(WORK))
from fake_engine import retouched  # noqa: E402

PROCEDURE = Gimp.get_pdb().lookup_procedure("plug-in-lptn-retouch")
ENGINE_JSON = Path(os.environ["GIMP3_DIRECTORY"], "plug-ins", "lptn-retouch", "engine.json")
FAKE = ["/usr/bin/python3", str(WORK / "fake_engine.py")]
WIDTH, HEIGHT = 40, 30
RESULTS = {}


# ---- helpers ------------------------------------------------------------------------------------------------


def use_engine(words):
    ENGINE_JSON.write_text(words if isinstance(words, str) else json.dumps({"command": words, "protocol": 1}))


def load(name):
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(WORK / "images" / name)))


def rectangle(layer):
    return Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())


def stored(layer):
    """A layer's bytes as GIMP holds them."""
    return bytes(
        layer.get_buffer().get(rectangle(layer), 1.0, Babl.get_name(layer.get_format()), Gegl.AbyssPolicy.NONE)
    )


def wire_format(layer, kind):
    name = ("Y'" if layer.is_gray() else "R'G'B'") + ("A" if layer.has_alpha() else "") + " " + kind
    return Babl.get_name(Babl.format_with_space(name, layer.get_format()))


def get(layer, kind):
    return bytes(layer.get_buffer().get(rectangle(layer), 1.0, wire_format(layer, kind), Gegl.AbyssPolicy.NONE))


def put(layer, kind, data):
    buffer = layer.get_buffer()
    buffer.set(rectangle(layer), wire_format(layer, kind), data)
    buffer.flush()
    layer.update(0, 0, layer.get_width(), layer.get_height())


def picture(precision="u8-non-linear", grey=False, alpha=False, size=(WIDTH, HEIGHT), profile=None):
    """An image with one layer in which every channel goes its own way through all of its range."""
    base = Gimp.ImageBaseType.GRAY if grey else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(*size, base, getattr(Gimp.Precision, precision.replace("-", "_").upper()))
    if profile:
        image.set_color_profile(profile)
    return image, add_layer(image, size, grey, alpha)


def add_layer(image, size=(WIDTH, HEIGHT), grey=False, alpha=False, at=(0, 0), name="picture"):
    kind = getattr(Gimp.ImageType, f"{'GRAY' if grey else 'RGB'}{'A' if alpha else ''}_IMAGE")
    layer = Gimp.Layer.new(image, name, *size, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(*at)
    channels = (1 if grey else 3) + alpha
    count = size[0] * size[1]
    samples = array.array("f", bytes(4 * count * channels))
    for channel in range(channels):
        steps = (i * (1, 7, 13, 3)[channel] + 31 * channel for i in range(count))
        samples[channel::channels] = array.array("f", [step % count / max(1, count - 1) for step in steps])
    put(layer, "float", samples.tobytes())
    return layer


def run(image, layers, **settings):
    """Call the procedure as a script does: the status and, of an error, its sentence."""
    config = PROCEDURE.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", layers)
    for name, value in settings.items():
        name = name.replace("_", "-")
        config.set_property(name, value)
        assert config.get_property(name) == value, name
    answer = PROCEDURE.run(config)
    return answer.index(0).value_nick, str(answer.index(1)) if answer.length() > 1 else ""


def succeeds(image, layers, **settings):
    status = run(image, layers, **settings)
    assert status[0] == "success", status


def refused(image, layers, *words, **settings):
    before = [stored(layer) for layer in layers if not layer.is_group()]
    status, sentence = run(image, layers, **settings)
    assert status == "execution-error", (status, sentence)
    assert all(word in sentence for word in words), sentence
    assert [stored(layer) for layer in layers if not layer.is_group()] == before, "pixels changed"
    SENTENCES.append(sentence)


def expected(layer, before, kind, amount=1.0):
    """What the layer would hold if its wire numbers went through the rule: by way of a scratch layer."""
    wire = {"float": "f32"}.get(kind, kind)
    channels = (1 if layer.is_gray() else 3) + layer.has_alpha()
    scratch = Gimp.Layer.new(
        layer.get_image(), "scratch", layer.get_width(), layer.get_height(), layer.type(), 100, Gimp.LayerMode.NORMAL
    )
    layer.get_image().insert_layer(scratch, None, 0)
    put(scratch, kind, retouched(before, channels, wire, amount))
    bytes_of = stored(scratch)
    layer.get_image().remove_layer(scratch)
    return bytes_of


def inverted(data, channels, alpha):
    return retouched(data, channels + alpha, "u8", 1)


CHECKS = []
SENTENCES = []


def check(function):
    CHECKS.append((function.__name__, function))
    return function


# ---- every kind of picture ----------------------------------------------------------------------------------

DEPTHS = ("u8", "u16", "u32", "half", "float", "double")
CURVES = ("linear", "non-linear", "perceptual")


def kind_of_wire(precision):
    depth, curve = precision.split("-", 1)
    if depth == "u8":
        return "u16" if curve == "linear" else "u8"
    return "u16" if depth == "u16" and curve != "linear" else "float"


def every_kind(precision, grey, alpha):
    image, layer = picture(precision, grey, alpha)
    kind = kind_of_wire(precision)
    before, raw = get(layer, kind), stored(layer)
    assert len(set(before[:: 1 if kind == "u8" else 2])) > 50
    succeeds(image, [layer], amount=0.75)
    if kind == "float":  # babl has several conversions between floats, and takes the fastest that it has found
        rule = array.array("f", retouched(before, (1 if grey else 3) + alpha, "f32", 0.75))
        off = max(abs(a - b) for a, b in zip(array.array("f", get(layer, "float")), rule, strict=True))
        assert off <= {"u16": 2e-4, "half": 1e-3}.get(precision.split("-")[0], 2e-6), off
    else:
        assert stored(layer) == expected(layer, before, kind, 0.75)
    assert stored(layer) != raw


for depth, curve, grey, alpha in itertools.product(DEPTHS, CURVES, (False, True), (False, True)):
    precision = f"{depth}-{curve}"
    name = f"{precision} {'grey' if grey else 'rgb'}{' alpha' if alpha else ''}"
    CHECKS.append((name, lambda p=precision, g=grey, a=alpha: every_kind(p, g, a)))


@check
def sixteen_bits_keep_all_their_levels():
    image, layer = picture("u16-non-linear", size=(256, 256))
    before = array.array("H", stored(layer))
    assert len(set(before)) > 65000
    succeeds(image, [layer])
    assert array.array("H", stored(layer)) == array.array("H", [65535 - v for v in before])


@check
def pure_green_of_adobe_rgb_becomes_its_pure_magenta():
    for precision in ("u8-non-linear", "u16-non-linear", "float-non-linear", "float-linear"):
        image, layer = picture(precision, profile=Gimp.ColorProfile.new_rgb_adobe())
        put(layer, "u16", array.array("H", [0, 65535, 0] * WIDTH * HEIGHT).tobytes())
        succeeds(image, [layer])
        assert list(array.array("H", get(layer, "u16"))[:3]) == [65535, 0, 65535], precision


def sent():
    """The last retouch that the engine was asked for, and the profile that came along."""
    return json.loads((WORK / "requests").read_text().splitlines()[-1])


@check
def the_picture_s_own_profile_goes_along():
    adobe = Gimp.ColorProfile.new_rgb_adobe()
    image, layer = picture(profile=adobe)
    succeeds(image, [layer])
    assert sent()["sizes"][1] == len(adobe.get_icc_profile())
    image, layer = picture()
    succeeds(image, [layer])
    assert sent()["sizes"][1] == 0, "sRGB needs none"


@check
def a_linear_picture_without_a_profile_is_sent_as_srgb_codes_it():
    image, layer = picture("float-linear")
    put(layer, "float", array.array("f", [0.5] * 3 * WIDTH * HEIGHT).tobytes())
    light = array.array("f", bytes(layer.get_buffer().get(rectangle(layer), 1.0, "RGB float", Gegl.AbyssPolicy.NONE)))
    assert abs(light[0] - 0.2140) < 1e-3, light[0]
    succeeds(image, [layer], amount=0.25)
    assert sent()["sizes"][1] == 0
    assert abs(array.array("f", get(layer, "float"))[0] - 0.5) < 1e-5


# ---- files --------------------------------------------------------------------------------------------------


@check
def a_jpeg_s_metadata_is_not_touched():
    image = load("photo.jpg")
    layer = image.get_layers()[0]
    before, parasites, pixels = image.get_metadata().serialize(), image.get_parasite_list(), stored(layer)
    assert len(before) > 1000
    succeeds(image, [layer])
    assert image.get_metadata().serialize() == before
    assert image.get_parasite_list() == parasites
    assert stored(layer) == inverted(pixels, 3, False)


@check
def a_sixteen_bit_png_and_tiff_are_retouched_in_sixteen_bits():
    for name in ("deep.png", "deep.tif"):
        image = load(name)
        layer = image.get_layers()[0]
        before = array.array("H", stored(layer))
        assert len(set(before)) > 2000, name
        succeeds(image, [layer])
        assert array.array("H", stored(layer)) == array.array("H", [65535 - v for v in before]), name


# ---- selections ---------------------------------------------------------------------------------------------


@check
def a_selection_says_where():
    image, layer = picture()
    before = stored(layer)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 8, 20, 15)
    succeeds(image, [layer])
    after, row = stored(layer), WIDTH * 3
    for y in range(HEIGHT):
        old, new = before[y * row : (y + 1) * row], after[y * row : (y + 1) * row]
        inside = retouched(old[30:90], 3, "u8", 1) if 8 <= y < 23 else old[30:90]
        assert new == old[:30] + inside + old[90:], y


@check
def with_a_selection_the_engine_still_sees_the_whole_picture():
    image, layer = picture()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 8, 20, 15)
    succeeds(image, [layer])
    assert (sent()["width"], sent()["height"]) == (WIDTH, HEIGHT)


@check
def a_feathered_selection_blends_in_linear_light():
    image, layer = picture(size=(120, 90))
    before = stored(layer)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 20, 15, 80, 60)
    Gimp.Selection.feather(image, 20)
    mask = stored(image.get_selection())
    assert len(set(mask)) > 100
    succeeds(image, [layer])
    after = stored(layer)
    light = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]
    for i in range(len(before)):
        share = mask[i // 3] / 255
        blend = light[before[i]] * (1 - share) + light[255 - before[i]] * share
        code = 255 * (blend * 12.92 if blend <= 0.0031308 else 1.055 * blend ** (1 / 2.4) - 0.055)
        assert abs(after[i] - code) < 1.01, (i, after[i], code)


@check
def the_selection_is_left_as_it_was():
    image, layer = picture()
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 8, 20, 15)
    before = stored(image.get_selection())
    for new_layer in (False, True):
        layer.remove_mask(Gimp.MaskApplyMode.DISCARD) if layer.get_mask() else None
        succeeds(image, [layer], new_layer=new_layer)
        assert stored(image.get_selection()) == before
    assert not image.get_channels()


@check
def a_selection_beside_the_layer_is_refused():
    image, _ = picture()
    small = add_layer(image, (8, 8), alpha=True)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 20, 5, 5)
    refused(image, [small], "does not touch", "Select > None")
    refused(image, [small], "does not touch", new_layer=True)


@check
def a_selection_off_the_image_is_none():
    image, layer = picture()
    before = stored(layer)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 700, 8, 9, 9)
    assert Gimp.Selection.is_empty(image)
    succeeds(image, [layer])
    assert stored(layer) == retouched(before, 3, "u8", 1)


# ---- layers -------------------------------------------------------------------------------------------------


@check
def a_layer_larger_than_the_image_is_retouched_as_a_whole():
    image, _ = picture()
    large = add_layer(image, (90, 70), alpha=True, at=(-25, -20))
    before = stored(large)
    succeeds(image, [large])
    assert stored(large) == retouched(before, 4, "u8", 1)
    assert list(large.get_offsets())[1:] == [-25, -20]


@check
def a_selection_lands_where_it_is_in_a_layer_with_an_offset():
    image, _ = picture()
    layer = add_layer(image, (20, 20), at=(15, 5))
    before = stored(layer)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 17, 6, 4, 3)
    succeeds(image, [layer])
    after = stored(layer)
    changed = {(i // 3 % 20, i // 60) for i in range(len(before)) if before[i] != after[i]}
    assert changed == {(x, y) for x in range(2, 6) for y in range(1, 4)}, sorted(changed)


@check
def several_layers_are_retouched_in_one_go():
    image, one = picture()
    two = add_layer(image, (20, 10), alpha=True, at=(3, 4))
    before = stored(one), stored(two)
    succeeds(image, [one, two])
    assert stored(one) == retouched(before[0], 3, "u8", 1)
    assert stored(two) == retouched(before[1], 4, "u8", 1)


@check
def of_several_layers_none_is_changed_where_one_is_locked():
    image, one = picture()
    two = add_layer(image)
    two.set_lock_content(True)
    refused(image, [one, two], "locked", "unlock")


@check
def a_layer_in_a_group_is_retouched():
    image, _ = picture()
    group = Gimp.GroupLayer.new(image)
    image.insert_layer(group, None, 0)
    layer = Gimp.Layer.new_from_drawable(image.get_layers()[1], image)
    image.insert_layer(layer, group, 0)
    before = stored(layer)
    succeeds(image, [layer])
    assert stored(layer) == retouched(before, 3, "u8", 1)
    succeeds(image, [layer], new_layer=True, preset="winter")
    assert [child.get_name() for child in group.get_children()] == ["LPTN winter", layer.get_name()]


@check
def a_layer_s_mask_stays_as_it_is():
    image, layer = picture()
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    put(layer.get_mask(), "u8", bytes(i % 256 for i in range(WIDTH * HEIGHT)))
    before, mask = stored(layer), stored(layer.get_mask())
    succeeds(image, [layer])
    assert stored(layer) == retouched(before, 3, "u8", 1)
    assert stored(layer.get_mask()) == mask


@check
def a_mask_a_channel_and_a_group_are_refused():
    image, layer = picture()
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    refused(image, [mask], "mask", "click")
    channel = Gimp.Channel.new(image, "saved", WIDTH, HEIGHT, 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    refused(image, [channel], "saved", "channel")
    group = Gimp.GroupLayer.new(image)
    image.insert_layer(group, None, 0)
    refused(image, [group], "group", "layers in it")


@check
def a_locked_layer_is_refused_but_not_as_a_new_layer():
    image, layer = picture()
    layer.set_lock_content(True)
    refused(image, [layer], "locked", "new layer")
    before = stored(layer)
    succeeds(image, [layer], new_layer=True)
    assert stored(layer) == before
    assert stored(image.get_layers()[0]) == retouched(before, 3, "u8", 1)


@check
def a_layer_in_a_locked_group_is_refused():
    image, layer = picture()
    group = Gimp.GroupLayer.new(image)
    image.insert_layer(group, None, 0)
    child = Gimp.Layer.new_from_drawable(layer, image)
    image.insert_layer(child, group, 0)
    group.set_lock_content(True)
    refused(image, [child], "locked")


@check
def an_indexed_image_is_refused():
    image, _ = picture()
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    refused(image, image.get_layers(), "indexed", "Image > Mode > RGB")


@check
def no_layer_is_refused():
    image, _ = picture()
    refused(image, [], "No layer")


@check
def a_layer_of_one_pixel_is_retouched():
    image, layer = picture(size=(1, 1), alpha=True)
    before = stored(layer)
    succeeds(image, [layer])
    assert stored(layer) == retouched(before, 4, "u8", 1)


# ---- a new layer --------------------------------------------------------------------------------------------


@check
def a_new_layer_lies_above_with_the_preset_s_name():
    image, bottom = picture()
    layer = add_layer(image, (20, 10), alpha=True, at=(3, 4))
    top = add_layer(image)
    before = stored(layer)
    layer.set_opacity(40)
    succeeds(image, [layer], preset="winter", new_layer=True)
    layers = image.get_layers()
    assert [each.get_id() for each in layers if each != layers[1]] == [each.get_id() for each in (top, layer, bottom)]
    new = layers[1]
    assert new.get_name() == "LPTN winter" and new.get_opacity() == 100
    assert list(new.get_offsets())[1:] == [3, 4]
    assert new.get_mask() is None
    assert stored(new) == retouched(before, 4, "u8", 1)
    assert stored(layer) == before


@check
def a_new_layer_is_made_in_every_depth():
    for precision, grey in itertools.product(("u8-linear", "u16-non-linear", "float-linear"), (False, True)):
        image, layer = picture(precision, grey)
        kind = kind_of_wire(precision)
        before, raw = get(layer, kind), stored(layer)
        succeeds(image, [layer], new_layer=True)
        assert stored(layer) == raw
        assert stored(image.get_layers()[0]) == expected(layer, before, kind), precision


@check
def a_new_layer_has_the_selection_as_its_mask():
    image, _ = picture()
    layer = add_layer(image, (20, 20), at=(15, 5))
    before = stored(layer)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 17, 6, 4, 3)
    succeeds(image, [layer], new_layer=True)
    new = image.get_layers()[0]
    assert stored(new) == retouched(before, 3, "u8", 1), "all of it, under the mask"
    mask = stored(new.get_mask())
    assert {(i % 20, i // 20) for i in range(400) if mask[i] == 255} == {
        (x, y) for x in range(2, 6) for y in range(1, 4)
    }
    assert set(mask) == {0, 255}


@check
def a_new_layer_shows_no_more_than_the_layer_s_own_mask_did():
    image, layer = picture()
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    shown = bytes(255 if i % WIDTH < 12 else 0 for i in range(WIDTH * HEIGHT))
    put(layer.get_mask(), "u8", shown)
    succeeds(image, [layer], new_layer=True)
    assert stored(image.get_layers()[0].get_mask()) == shown
    assert Gimp.Selection.is_empty(image)
    image.remove_layer(image.get_layers()[0])
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 0, 10, HEIGHT)
    selection = stored(image.get_selection())
    succeeds(image, [layer], new_layer=True)
    mask = stored(image.get_layers()[0].get_mask())
    assert mask == bytes(255 if 10 <= i % WIDTH < 12 else 0 for i in range(WIDTH * HEIGHT))
    assert stored(image.get_selection()) == selection and not image.get_channels()


@check
def several_layers_get_a_new_layer_each():
    image, one = picture()
    two = add_layer(image, (20, 10), alpha=True, at=(3, 4), name="second")
    succeeds(image, [one, two], new_layer=True)
    names = [layer.get_name().split(" #")[0] for layer in image.get_layers()]
    assert names == ["LPTN retouch", "second", "LPTN retouch", "picture"], names


# ---- the engine ---------------------------------------------------------------------------------------------


@check
def preset_amount_and_detail_reach_the_engine():
    image, layer = picture()
    succeeds(image, [layer], preset="/presets/winter", amount=0.5, detail=1.75)
    assert [sent()[key] for key in ("preset", "amount", "detail")] == ["/presets/winter", 0.5, 1.75]


@check
def the_procedure_has_the_documented_arguments():
    names = [argument.name for argument in PROCEDURE.get_arguments()]
    assert names == ["run-mode", "image", "drawables", "preset", "amount", "detail", "new-layer"], names
    assert PROCEDURE.get_menu_paths() == ["<Image>/Filters/Enhance"]
    assert PROCEDURE.get_menu_label() == "LPTN _Retouch…"


@check
def an_unknown_preset_is_told_with_the_engine_s_words():
    refused(*one_layer(), "there is no preset 'wintr'; there are: retouch, winter.", preset="wintr")


@check
def too_little_memory_is_told_with_the_engine_s_words():
    refused(*one_layer(), "too little memory", preset="memory")


@check
def a_killed_engine_is_told():
    refused(*one_layer(), "was killed", "memory", "engine.log", preset="die")


@check
def a_chatty_stranger_is_told():
    refused(*one_layer(), "not the engine", "lptn-retouch gimp install", preset="garbage")


@check
def an_answer_of_another_size_is_told():
    refused(*one_layer(), "another size", preset="short")


@check
def an_engine_that_has_moved_is_told():
    use_engine(["/opt/gone/python", "-m", "lptn_retouch", "serve"])
    refused(*one_layer(), "/opt/gone/python", "pip install lptn-retouch", "lptn-retouch gimp install")


@check
def an_engine_that_cannot_start_is_told_with_its_own_last_words():
    use_engine(["/usr/bin/python3", "-m", "lptn_retouch", "serve"])
    refused(*one_layer(), "No module named", "lptn_retouch", "lptn-retouch gimp doctor", "engine.log")


@check
def an_engine_of_another_protocol_is_told():
    use_engine(["/usr/bin/env", "FAKE_PROTOCOL=2", *FAKE])
    refused(*one_layer(), "protocol 1", "protocol 2", "lptn-retouch gimp install")


@check
def a_program_that_is_no_engine_is_told():
    use_engine(["/bin/echo", "usage: ..."])
    refused(*one_layer(), "not the engine", "usage: ...")
    use_engine(["/bin/true"])
    refused(*one_layer(), "status 0", "it said nothing")


@check
def a_damaged_engine_json_is_told():
    use_engine('{"command": ')
    refused(*one_layer(), "engine.json", "lptn-retouch gimp install")
    use_engine('{"command": "python3"}')
    refused(*one_layer(), "engine.json", "lptn-retouch gimp install")


@check
def a_missing_engine_is_told():
    ENGINE_JSON.unlink()
    refused(*one_layer(), "not installed", "pip install lptn-retouch", "lptn-retouch gimp install")


def one_layer():
    image, layer = picture()
    return image, [layer]


# ---- the real engine, where the root can see the host's Python ----------------------------------------------


def with_the_real_engine():
    """Retouch all kinds with the preset retouch; leave what went in and what came out for the library to repeat."""
    use_engine(json.loads(os.environ["REAL_ENGINE"]))
    told = []

    def take(name, image, layer, kind, **settings):
        before = get(layer, kind)
        selection = stored(image.get_selection()) if not Gimp.Selection.is_empty(image) else None
        succeeds(image, [layer], preset="retouch", **settings)
        attached = image.get_color_profile()
        parts = {
            "before": before,
            "after": get(layer, kind),
            "icc": bytes(attached.get_icc_profile()) if attached else b"",
            "selection": selection or b"",
        }
        for part, data in parts.items():
            (WORK / "real" / f"{name}.{part}").write_bytes(data)
        channels = (1 if layer.is_gray() else 3) + layer.has_alpha()
        told.append(dict(name=name, kind=kind, size=[layer.get_height(), layer.get_width(), channels], **settings))

    for depth, grey, alpha in itertools.product(("u8", "u16", "float"), (False, True), (False, True)):
        precision = f"{depth}-non-linear"
        image, layer = photograph(precision, grey, alpha)
        take(f"{depth}{'-grey' if grey else ''}{'-alpha' if alpha else ''}", image, layer, kind_of_wire(precision))
    image, layer = photograph("float-linear")
    take("float-linear", image, layer, "float", amount=0.5, detail=1.5)
    image, layer = photograph("u16-non-linear", profile=Gimp.ColorProfile.new_rgb_adobe())
    take("u16-adobe", image, layer, "u16")
    image, layer = photograph()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 50, 40, 100, 60)
    take("u8-selection", image, layer, "u8")
    (WORK / "real" / "told.json").write_text(json.dumps(told))


def photograph(precision="u8-non-linear", grey=False, alpha=False, profile=None):
    image = load("photo.jpg")
    image.scale(240, 160)
    layer = image.get_layers()[0]
    data = get(layer, "float")
    new, copy = picture(precision, False, False, (240, 160), profile)
    put(copy, "float", data)
    if grey:
        new.convert_grayscale()
    if alpha:
        copy.add_alpha()
    image.delete()
    return new, copy


def main():
    checks = CHECKS
    if os.environ.get("REAL_ENGINE"):
        checks = [*CHECKS, ("with the real engine", with_the_real_engine)]
    for name, function in checks:
        use_engine(["/usr/bin/env", f"FAKE_LOG={WORK}/requests", *FAKE])
        SENTENCES.clear()
        start, why = time.time(), None
        try:
            function()
        except Exception:
            why = traceback.format_exc(limit=4)
        RESULTS[name] = {"why": why, "seconds": round(time.time() - start, 2), "sentences": list(SENTENCES)}
        for image in Gimp.get_images():
            image.delete()
    (WORK / "results.json").write_text(json.dumps({"version": Gimp.version(), "checks": RESULTS}, indent=1))


main()
