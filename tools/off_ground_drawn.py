"""Pictures that are drawn, for the looks to leave alone: windows, a page, a grey ramp, colours, black, white, lights.

Each function gives a picture of 480 x 320 px, the same every time.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 480, 320
Colour = tuple[int, int, int]
LINES = (
    "The pyramid splits a photograph into a small picture",
    "and the detail that it lacks at every size. What is",
    "done to the small one is colour and light; what is",
    "done to the detail is sharpness. Put together again,",
    "nothing is lost that nobody has touched.",
)
# The 24 patches of a ColorChecker, in sRGB (BabelColor's averages); the last row is grey.
CHECKER = (
    "735244 c29682 627a9d 576c43 8580b1 67bdaa d67e2c 505ba6 c15a63 5e3c6c 9dbc40 e0a32e "
    "383d96 469449 af363c e7c71f bb5695 0885a1 f3f3f2 c8c8c8 a0a0a0 7a7a79 555555 343434"
)


def window() -> Image.Image:
    """A program in a light theme: grey chrome, coloured icons, black text on white."""
    return _window(paper=(255, 255, 255), chrome=(236, 236, 236), edge=(200, 200, 200), ink=(0, 0, 0))


def window_dark() -> Image.Image:
    """The same in a dark theme: white text on nearly black."""
    return _window(paper=(24, 24, 24), chrome=(48, 48, 48), edge=(80, 80, 80), ink=(255, 255, 255))


def _window(paper: Colour, chrome: Colour, edge: Colour, ink: Colour) -> Image.Image:
    picture = Image.new("RGB", SIZE, paper)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    draw.rectangle((0, 0, 480, 56), fill=chrome)
    draw.rectangle((0, 56, 120, 320), fill=chrome)
    draw.line((0, 56, 480, 56), fill=edge)
    draw.line((120, 56, 120, 320), fill=edge)
    for k, light in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
        draw.ellipse((10 + 20 * k, 8, 22 + 20 * k, 20), fill=light)
    draw.text((240, 14), "Untitled document", fill=ink, font=font, anchor="mm")
    icons = ((0, 120, 215), (216, 59, 1), (16, 124, 16), (136, 23, 152), (232, 17, 35), (0, 153, 188))
    for k, icon in enumerate(icons):
        draw.rounded_rectangle((10 + 34 * k, 28, 34 + 34 * k, 52), 4, fill=icon)
    for k in range(8):
        draw.text((12, 68 + 28 * k), f"Folder {k + 1}", fill=ink, font=font)
    draw.rectangle((122, 122, 478, 142), fill=(0, 120, 215))
    for k, line in enumerate(LINES):
        draw.text((132, 72 + 26 * k), line, fill=(255, 255, 255) if k == 2 else ink, font=font)
    draw.rounded_rectangle((380, 280, 460, 306), 4, fill=edge)
    draw.text((420, 293), "OK", fill=ink, font=font, anchor="mm")
    return picture


def page() -> Image.Image:
    """Black text on white paper."""
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((40, 24), "A page of text", fill="black", font=ImageFont.load_default(24))
    for k in range(14):
        draw.text((40, 64 + 17 * k), LINES[k % len(LINES)], fill="black", font=ImageFont.load_default(13))
    return picture


def ramp() -> Image.Image:
    """Every grey from black to white, even above and in sixteen steps below."""
    even = Image.linear_gradient("L").rotate(90).resize((SIZE[0], SIZE[1] // 2))
    picture = Image.new("L", SIZE)
    picture.paste(even, (0, 0))
    for k in range(16):
        picture.paste(17 * k, (30 * k, SIZE[1] // 2, 30 * k + 30, SIZE[1]))
    return picture.convert("RGB")


def colours() -> Image.Image:
    """The 24 patches of a colour chart on black."""
    picture = Image.new("RGB", SIZE, "black")
    for k, colour in enumerate(CHECKER.split()):
        x, y = 80 * (k % 6), 80 * (k // 6)
        picture.paste(f"#{colour}", (x + 4, y + 4, x + 76, y + 76))
    return picture


def black() -> Image.Image:
    """A frame with the cap on."""
    return Image.new("RGB", SIZE, "black")


def white() -> Image.Image:
    """A frame that is blown all over."""
    return Image.new("RGB", SIZE, "white")


def stars() -> Image.Image:
    """Points of light, white, bluish and orange, on black."""
    drawn = random.Random(3)
    picture = Image.new("RGB", SIZE)
    for _ in range(500):
        tint = drawn.choice(((255, 255, 255), (190, 210, 255), (255, 215, 170)))
        light = drawn.random() ** 2
        picture.putpixel((drawn.randrange(480), drawn.randrange(320)), tuple(round(light * c) for c in tint))  # type: ignore[arg-type]
    return picture


def fireworks() -> Image.Image:
    """Three bursts of coloured rays over a black skyline, with their glow."""
    drawn = random.Random(5)
    picture = Image.new("RGB", SIZE, (6, 7, 12))
    draw = ImageDraw.Draw(picture)
    for centre, radius, colour in (
        ((130, 110), 90, (255, 60, 50)),
        ((300, 90), 75, (255, 210, 90)),
        ((400, 160), 60, (80, 220, 120)),
    ):
        for _ in range(140):
            far, angle = drawn.gauss(0.75, 0.2) * radius, drawn.uniform(0, 360)
            x = centre[0] + far * _cos(angle), centre[0] + 0.6 * far * _cos(angle)
            y = centre[1] + far * _cos(angle - 90), centre[1] + 0.6 * far * _cos(angle - 90)
            draw.line((x[1], y[1], x[0], y[0]), fill=colour)
            draw.point((x[0], y[0]), fill="white")
    picture = Image.blend(picture, picture.filter(ImageFilter.GaussianBlur(6)), 0.4)
    draw = ImageDraw.Draw(picture)
    for k in range(16):
        draw.rectangle((30 * k, drawn.randrange(250, 300), 30 * k + 30, 320), fill="black")
    return picture


def _cos(degrees: float) -> float:
    from math import cos, radians

    return cos(radians(degrees))


DRAWN: dict[str, Callable[[], Image.Image]] = {
    "window": window,
    "window-dark": window_dark,
    "page": page,
    "ramp": ramp,
    "colours": colours,
    "black": black,
    "white": white,
    "stars": stars,
    "fireworks": fireworks,
}
