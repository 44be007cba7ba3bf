"""Outlines: what a renderer makes of them is the picture, and files are small."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.cli import main
from emoji_lib.data import pixels
from emoji_lib.nets import dcgan, layered
from emoji_lib.runs import record
from emoji_lib.show import sampler, vector
from emoji_lib.train.checkpoint import save_weights

SIDE = layered.NATIVE * vector.FINE  # samples


def pixels_of(start: float, end: float) -> slice:
    """The samples of some pixels."""
    return slice(int(start * vector.FINE), int(end * vector.FINE))


class Smooth(nn.Module):
    """Fields as those of a trained generator: few hills and valleys."""

    def forward(self, latents):
        return F.interpolate(32 * latents[:, :150].view(-1, 6, 5, 5), size=(36, 36), mode="bicubic")


@pytest.fixture
def generator() -> layered.Generator:
    torch.manual_seed(0)
    made = layered.Generator(2, 150, layers=6, fields="coarse").eval()
    made.to_fields = Smooth()
    return made


def rendered(text: str, size: int) -> np.ndarray:
    """Premultiplied RGBA `[4, size, size]` by another program."""
    content = bytes(resvg_py.svg_to_bytes(svg_string=text, width=size, height=size))
    straight = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).transpose(2, 0, 1)
    return pixels.premultiply(straight[None])[0]


def test_a_renderer_makes_the_picture_of_it(generator):
    nn.init.normal_(generator.to_colours[-1].bias, std=2)
    latents = generator.latents(3, 0)
    drawn = pixels.premultiply(sampler.straight(generator, latents, {"mode": "RGBA", "premultiplied": True}, 512))
    for picture, text in zip(drawn, vector.svgs(generator, latents, {"run": "a<b"}), strict=True):
        apart = np.abs(rendered(text, 512).astype(int) - picture).max(0)
        assert apart.mean() < 2.5  # of 255
        assert (apart > 64).mean() < 0.01
        assert len(text) < 10_000


def test_no_gap_between_neighbours(generator):
    """Where all is opaque, nothing shines through."""
    latents = generator.latents(1, 0)
    fields = generator.fields(latents)
    fields[:, 0] -= 1000
    picture = generator.compose(generator.masks(fields, SIDE), generator.colours(latents))[0]
    text = vector.svg((picture.detach() + 1) * 127.5, {})
    assert text.count("<path") >= 4
    assert rendered(text, 512)[3].min() == 255


def test_no_line_of_a_third_colour_between_two():
    """A dot of orange in yellow, and brown elsewhere, which lies between them in the order of drawing."""
    picture = torch.full((4, SIDE, SIDE), 255.0)
    for colour, part in {
        (255, 204, 76): pixels_of(0, 72),
        (102, 69, 0): pixels_of(5, 30),
        (255, 153, 0): pixels_of(45, 57),
    }.items():
        picture[:3, part, part] = torch.tensor(colour)[:, None, None]
    text = vector.svg(F.avg_pool2d(picture[None], 3, 1, 1, count_include_pad=False)[0], {})
    assert rendered(text, 500)[1, 280:].min() >= 153  # the greens of yellow and orange, and no darker one


def test_documents_are_xml_that_says_where_it_comes_from(generator):
    first, second = vector.svgs(generator, generator.latents(2, 1), {"run": "a<b", "seed": 1}, first=7)
    name = "{http://www.w3.org/2000/svg}"
    assert ElementTree.fromstring(first).find(f"{name}desc").text == "run a<b, seed 1, index 7"
    assert ElementTree.fromstring(second).find(f"{name}desc").text.endswith("index 8")


def test_specks_and_what_cannot_be_seen_are_left_out():
    picture = torch.zeros(4, SIDE, SIDE)
    square, hole, speck = pixels_of(10, 60), pixels_of(30, 50), pixels_of(25, 25.5)
    picture[:, square, square] = torch.tensor([255.0, 0, 0, 255])[:, None, None]
    picture[1, speck, speck] = 255  # yellow
    picture[:, hole, hole] = 0
    text = vector.svg(picture, {})
    assert text.count("<path") == 1
    assert 'fill="#ff0000"' in text
    assert text.count("M") == 2  # its outline, and that of the hole
    drawn = rendered(text, 72)
    assert drawn[3, 35, 12] == 255
    assert drawn[3, 40, 40] == 0


def test_blends_keep_their_shade_and_transparent_edges_get_no_rim():
    """Half red, half white over nothing, beside dark brown, which half-transparent yellow looks like."""
    picture = torch.zeros(4, SIDE, SIDE)
    for colour, part in {
        (255, 128, 128): pixels_of(10, 25),
        (255, 204, 76): pixels_of(25, 40),
        (102, 69, 0): pixels_of(40, 50),
    }.items():
        picture[:, pixels_of(10, 60), part] = torch.tensor([*colour, 255.0])[:, None, None]
    soft = F.avg_pool2d(picture[None], 5, 1, 2)[0]
    text = vector.svg(soft, {})
    assert sorted(re.findall('fill="#(.{6})', text)) == ["664500", "ff8080", "ffcc4c"]
    assert text.count("M") == 3


def test_half_transparent_white_is_white_and_a_slope_is_drawn():
    assert 'fill="#ffffff"' in vector.svg(torch.full((4, SIDE, SIDE), 153.0), {})
    slope = torch.linspace(0, 255, 40).repeat(SIDE)[:SIDE].expand(4, SIDE, SIDE).clone()
    slope[3] = 255
    assert vector.svg(slope, {}).count("<path") > 4


def test_nothing_is_drawn_of_nothing():
    assert "<path" not in vector.svg(torch.zeros(4, SIDE, SIDE), {})


def kept(tmp_path, network, **facts):
    run = record.create("08-tiny", "08_layered_gan", "", {"seed": 2, "selection": "faces"}, tmp_path)
    save_weights(run / sampler.WEIGHTS, network, mode="RGBA", premultiplied=True, **facts)
    return run


def test_samples_of_any_size_with_outlines_and_a_walk(tmp_path, capsys):
    run, out = kept(tmp_path, layered.Generator(2, 5, layers=3)), tmp_path / "out"
    assert main(["sample", str(run), "--n", "2", "--size", "100", "--svg", "--gif", "--out", str(out)]) == 0
    assert "2 RGBA PNGs of 100×100, as many SVGs, walk.gif in " in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["0000.png", "0000.svg", "0001.png", "0001.svg", "walk.gif"]
    assert Image.open(out / "0001.png").size == (100, 100)
    assert Image.open(out / "0001.png").text["index"] == "1"
    with Image.open(out / "walk.gif") as walk:
        assert walk.n_frames == 2 * sampler.BETWEEN
        assert run.name in walk.info["comment"].decode()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--size 0", "--size 0 is not between 16 and 2,048 pixels"),
        ("--size -72", "--size -72 is not between"),
        ("--size 10000", "--size 10000 is not between"),
        (
            "--size 512",
            "--size 512 needs a generator that draws in layers, such as 08-quick; this one draws 72×72 pixels",
        ),
        ("--gif --n 1", "--n 1 is not between 2 and 100"),
        ("--gif --n 101", "--n 101 is not between 2 and 100"),
        ("--svg", "--svg needs a generator that draws in layers"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_line(tmp_path, capsys, options, says):
    run = kept(tmp_path, dcgan.Generator(4))
    assert main(["sample", str(run), "--out", str(tmp_path / "out"), *options.split()]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    run = kept(tmp_path, layered.Generator(2, 5, layers=3))
    assert main(["sample", str(run), "--n", "1", "--svg", "--out", str(tmp_path / "file" / "out")]) == 1
    error = capsys.readouterr().err
    assert "file/out" in error
    assert error.count("\n") == 1


def test_outlines_of_other_samples_do_not_stay(tmp_path):
    run, out = kept(tmp_path, layered.Generator(2, 5, layers=3)), str(tmp_path / "out")
    assert main(["sample", str(run), "--n", "2", "--svg", "--out", out]) == 0
    assert main(["sample", str(run), "--n", "1", "--seed", "1", "--out", out]) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.svg")) == ["0001.svg"]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_walk_of_any_colour_shows_each_picture(tmp_path, channels, mode):
    torch.manual_seed(0)
    run = record.create("02-tiny", "02_improved_gan", "", {"seed": 0}, tmp_path)
    save_weights(run / sampler.WEIGHTS, dcgan.Generator(4, channels=channels), mode=mode, premultiplied=channels == 4)
    assert main(["sample", str(run), "--n", "2", "--gif", "--size", "72", "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "walk.gif") as walk:
        shown = np.asarray(walk.convert("RGB")).astype(int)
    still = Image.new("RGBA", (72, 72), "white")
    still.alpha_composite(Image.open(tmp_path / "out" / "0000.png").convert("RGBA"))
    assert np.abs(shown - np.asarray(still.convert("RGB"))).mean() < 6


def test_a_walk_of_uniform_latents_stays_uniform():
    latents = torch.rand(4, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert sampler.walk(latents, 4).abs().max() <= 1
    torch.testing.assert_close(sampler.walk(latents, 4)[2], (latents[0] + latents[1]) / 2)


def test_a_walk_ends_where_it_began_and_keeps_its_distance():
    latents = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    walk = sampler.walk(latents, 4)
    torch.testing.assert_close(walk[::4], latents)
    lengths = latents.norm(dim=1)
    assert lengths.min() * 0.999 <= walk.norm(dim=1).min()
    assert walk.norm(dim=1).max() <= lengths.max() * 1.001


def test_starting_from_kept_weights(tmp_path):
    torch.manual_seed(0)
    kept_generator, kept_critic = layered.Generator(2, 5, layers=3), dcgan.Discriminator(2)
    run = kept(tmp_path, kept_generator)
    mine, critic = layered.Generator(2, 5, layers=3), dcgan.Discriminator(2)
    assert sampler.start(str(run), mine, critic) == f"generator of {run.name}"
    for name, value in kept_generator.state_dict().items():
        assert torch.equal(mine.state_dict()[name], value.half().float()), name  # as weights are kept
    save_weights(run / "discriminator.safetensors", kept_critic, mode="RGBA", premultiplied=True)
    assert sampler.start(str(run), mine, critic) == f"generator and discriminator of {run.name}"
    torch.testing.assert_close(critic.head.weight, kept_critic.head.weight, atol=1e-4, rtol=1e-3)
    with pytest.raises(BadInput, match=r"the generator of 08-tiny.* is another one: layers 3 → 4"):
        sampler.start(str(run), layered.Generator(2, 5, layers=4), critic)
    with pytest.raises(BadInput, match=r"another one: class 'layered\.Generator' → 'dcgan\.Generator'"):
        sampler.start(str(run), dcgan.Generator(2), critic)
    with pytest.raises(BadInput, match="no run 'nobody'"):
        sampler.start("nobody", mine, critic)
