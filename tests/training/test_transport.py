"""Teachers: a look taken from two sets of pictures by colour transport, and one set by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from torch import Tensor

from lptn_retouch.evaluation.halo import synthetic_glow
from lptn_retouch.evaluation.metrics import lab, psnr
from lptn_retouch.training.oklab import oklab, srgb
from lptn_retouch.training.teachers.grade import Band, Grade, GradeTeacher
from lptn_retouch.training.teachers.transport import Care, Teacher, fit_teacher, transport

pytestmark = pytest.mark.slow

CHANNEL = st.floats(0.0, 1.0, width=32)


def flat(*colour: float, size: tuple[int, int] = (24, 32)) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, *size).contiguous()


def scenes(count: int, tint: tuple[float, float, float]) -> list[Tensor]:
    """Pictures of smooth coloured ground with some texture, multiplied by a tint."""
    random = torch.Generator().manual_seed(count)
    found = []
    for _ in range(count):
        coarse = torch.rand(1, 3, 5, 7, generator=random)
        ground = torch.nn.functional.interpolate(coarse, size=(60, 90), mode="bicubic").clamp(0.05, 1)
        ground = (ground + 0.05 * torch.randn(1, 1, 60, 90, generator=random)).clamp(0, 1)
        found.append(ground * torch.tensor(tint).view(1, 3, 1, 1))
    return found


@pytest.fixture(scope="module")
def warm() -> Teacher:
    """A teacher of pictures that are darker and warmer."""
    return fit_teacher(scenes(24, (1, 1, 1)), scenes(25, (0.8, 0.65, 0.4)), Care(neutrals=0, skin=0), steps=600)


@given(CHANNEL, CHANNEL, CHANNEL)
def test_oklab_there_and_back(r: float, g: float, b: float):
    picture = flat(r, g, b, size=(1, 1))
    assert torch.allclose(srgb(oklab(picture)), picture, atol=2e-3)


def test_oklab_agrees_with_cielab_about_hue_and_order():
    greys = torch.linspace(0, 1, 9).view(1, 1, 1, 9).expand(1, 3, 1, 9)
    light = oklab(greys)[0, 0, 0]
    assert torch.allclose(light[[0, -1]], torch.tensor([0.0, 1.0]), atol=1e-3)
    assert bool((light.diff() > 0).all())
    green = oklab(flat(0.2, 0.6, 0.2))[0, :, 0, 0]
    reference = rgb2lab([[[0.2, 0.6, 0.2]]])[0, 0]
    assert abs(math.atan2(green[2], green[1]) - math.atan2(reference[2], reference[1])) < 0.2


def test_transport_lays_one_cloud_over_the_other():
    random = torch.Generator().manual_seed(1)
    before = torch.randn(2000, 3, generator=random)
    after = torch.randn(2000, 3, generator=random) * torch.tensor([0.5, 2.0, 1.0]) + torch.tensor([3.0, 0.0, -1.0])
    start, moved = transport(before, after, random)
    assert start.shape == moved.shape == (2000, 3)
    assert torch.allclose(moved.mean(0), after.mean(0), atol=0.05)
    assert torch.allclose(moved.cov(), after.cov(), atol=0.2) or torch.allclose(moved.T.cov(), after.T.cov(), atol=0.2)


def test_a_teacher_makes_the_style_of_the_other_folder(warm: Teacher):
    before = torch.cat(scenes(7, (1, 1, 1)))
    after = warm(before)
    wanted = torch.cat(scenes(7, (0.8, 0.65, 0.4)))
    far, near = ((x.mean((0, 2, 3)) - wanted.mean((0, 2, 3))).abs().max() for x in (before, after))
    assert near < 0.2 * far


def test_the_same_seed_makes_the_same_teacher():
    care = Care(neutrals=0.4)
    one, two, other = (
        fit_teacher(scenes(8, (1, 1, 1)), scenes(9, (0.7, 0.7, 1)), care, seed=s, steps=30) for s in (3, 3, 4)
    )
    picture = scenes(1, (1, 1, 1))[0]
    assert torch.equal(one(picture), two(picture))
    assert not torch.equal(one(picture), other(picture))


def test_a_teacher_answers_alike_at_every_size(warm: Teacher):
    large = torch.nn.functional.interpolate(scenes(3, (1, 1, 1))[0], size=(480, 720), mode="bicubic").clamp(0, 1)
    small = torch.nn.functional.interpolate(large, scale_factor=0.25, mode="bilinear", antialias=True)
    export = torch.nn.functional.interpolate(warm(large), scale_factor=0.25, mode="bilinear", antialias=True)
    assert psnr(export, warm(small)) > 44


def test_strength_nought_changes_nothing_and_halves_halve(warm: Teacher):
    def at(strength: float) -> Tensor:
        teacher = Teacher(Care(strength=strength, neutrals=0, skin=0))
        teacher.load_state_dict(warm.state_dict())
        return oklab(teacher(picture)) - oklab(picture)

    picture = scenes(2, (0.8, 0.8, 0.8))[1]
    with torch.no_grad():
        assert at(0.0).abs().max() < 2e-3
        assert torch.allclose(at(0.5) * 2, at(1.0), atol=0.02)


def test_neutrals_and_skin_are_spared(warm: Teacher):
    def cast(care: Care, picture: Tensor) -> float:
        teacher = Teacher(care)
        teacher.load_state_dict(warm.state_dict())
        with torch.no_grad():
            return float((oklab(teacher(picture)) - oklab(picture))[:, 1:].square().sum(1).sqrt().mean())

    grey, face = flat(0.6, 0.6, 0.6), flat(0.85, 0.65, 0.55)
    assert cast(Care(neutrals=1, skin=0), grey) < 0.05 * cast(Care(neutrals=0, skin=0), grey)
    assert cast(Care(neutrals=0, skin=0.8), face) < 0.35 * cast(Care(neutrals=0, skin=0), face)


def test_a_sky_falls_to_night_and_night_dawns(warm: Teacher):
    def teach(care: Care, picture: Tensor) -> Tensor:
        teacher = Teacher(care)
        teacher.load_state_dict(warm.state_dict())
        with torch.no_grad():
            return oklab(teacher(picture))[0]

    white, black = flat(0.9, 0.9, 0.92, size=(48, 64)), flat(0.03, 0.03, 0.04, size=(48, 64))
    night = teach(Care(sky=1), white)
    assert night[0, 0].mean() < 0.4 < night[0, -1].mean(), "the sky is dark, the ground keeps its light"
    assert night[2, 0].mean() < -0.02, "and blue"
    day = teach(Care(dawn=1), black)
    assert day[0, 0].mean() > 0.5 > day[0, -1].mean()
    evening = teach(Care(glow=1), white)
    assert evening[0, 0].mean() < evening[0, 16].mean() - 0.05, "dimmer above than at the horizon"
    assert 0 < evening[2, 0].mean() < evening[2, 16].mean() - 0.03, "and less gold"


def test_white_blue_and_plants_are_left_alone_where_asked(warm: Teacher):
    def moved(care: Care, picture: Tensor) -> float:
        teacher = Teacher(care)
        teacher.load_state_dict(warm.state_dict())
        with torch.no_grad():
            return float((oklab(teacher(picture)) - oklab(picture))[:, 1:].square().sum(1).sqrt().mean())

    all_of_it = Care(neutrals=0, skin=0)
    colours = {"whites": flat(0.98, 0.98, 0.98), "blues": flat(0.3, 0.5, 0.8), "greens": flat(0.3, 0.45, 0.15)}
    for name, colour in colours.items():
        spared = replace(all_of_it, **{name: 1.0})
        assert moved(spared, colour) < 0.2 * moved(all_of_it, colour), name
        for other in colours.keys() - {name}:
            assert moved(spared, colours[other]) > 0.8 * moved(all_of_it, colours[other]), (name, other)
    foliage = replace(all_of_it, foliage=1.0)
    assert moved(foliage, colours["greens"]) > 0.9 * moved(all_of_it, colours["greens"])
    assert moved(foliage, colours["blues"]) < 0.1 * moved(all_of_it, colours["blues"])


def test_blacks_stay_dark_and_lamps_stay_lit(warm: Teacher):
    def lightness(care: Care, picture: Tensor) -> Tensor:
        teacher = Teacher(care)
        teacher.load_state_dict(warm.state_dict())
        with torch.no_grad():
            return oklab(teacher(picture))[0, 0]

    dark_look = Care(neutrals=0, skin=0, strength=1)
    street = flat(0.25, 0.25, 0.28, size=(96, 96))
    street[..., 60:64, 40:44] = torch.tensor([1.0, 0.75, 0.4]).view(3, 1, 1)
    plain, lit = lightness(dark_look, street), lightness(replace(dark_look, lamps=1.0), street)
    before = oklab(street)[0, 0]
    assert plain[62, 42] < before[62, 42] - 0.05, "the look darkens"
    assert abs(lit[62, 42] - before[62, 42]) < 0.3 * abs(plain[62, 42] - before[62, 42])
    assert torch.allclose(lit[:40], plain[:40])


def test_the_noise_of_what_is_black_is_not_lifted(warm: Teacher):
    teacher = Teacher(Care(dawn=1))
    teacher.load_state_dict(warm.state_dict())
    black = flat(0, 0, 0, size=(48, 64))
    black[..., ::2] = 4 / 255
    with torch.no_grad():
        day = oklab(teacher(black))[0, 0]
    assert day[2].mean() > 0.5
    assert float((day[2, 10] - day[2, 11]).abs()) < 0.01, "OKLab tells them apart by 0.1"


def test_a_teacher_draws_no_rim_along_an_edge(warm: Teacher):
    edge = torch.cat([flat(0.2, 0.25, 0.3, size=(192, 96)), flat(0.8, 0.7, 0.6, size=(192, 96))], dim=3)
    change = abs(lab(warm(edge))[..., 0] - lab(edge)[..., 0]).mean()
    assert change > 8
    assert synthetic_glow(warm, size=192).mean < 0.15 * change


def test_a_grade_of_nothing_is_nothing_and_each_setting_does_its_own():
    picture = scenes(1, (1, 1, 1))[0]
    assert torch.allclose(GradeTeacher(Grade())(picture), picture, atol=2e-3)
    black_and_white = torch.cat([flat(0.0, 0.0, 0.0), flat(1.0, 1.0, 1.0)])
    desk = Grade(exposure=0.1, contrast=1.2, warmth=0.03, tint=0.02, colour=1.3)
    assert torch.allclose(GradeTeacher(desk)(black_and_white), black_and_white, atol=2e-3)
    grey = flat(0.5, 0.5, 0.5)
    warmer = oklab(GradeTeacher(Grade(warmth=0.03))(grey))
    assert float(warmer[0, 2].mean()) == pytest.approx(0.03, abs=0.005)


def test_a_band_moves_its_own_hue_alone():
    leaf, sky, grey = flat(0.3, 0.5, 0.2), flat(0.4, 0.6, 0.9), flat(0.5, 0.5, 0.5)
    teacher = GradeTeacher(Grade(bands=(Band(hue=130, width=30, turn=-20, light=0.05),)))
    assert (teacher(leaf) - leaf).abs().max() > 0.02
    assert torch.allclose(teacher(sky), sky, atol=3e-3)
    assert torch.allclose(teacher(grey), grey, atol=3e-3)
