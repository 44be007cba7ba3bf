"""A layered generator explored: what each slider does to a latent, projected pictures, and favourites as files."""

import io

import numpy as np
import pytest
import resvg_py
import torch
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch import nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.cli import main
from emoji_lib.data import emoji, pixels
from emoji_lib.data.batches import scale
from emoji_lib.measure import scores
from emoji_lib.nets import dcgan, layered
from emoji_lib.runs import record
from emoji_lib.show import explorer, notebook, sampler
from emoji_lib.train.checkpoint import save_weights


class Smooth(nn.Module):
    """Fields as those of a trained generator: few hills and valleys."""

    def forward(self, latents):
        return F.interpolate(32 * latents[:, :64].view(-1, 4, 4, 4), size=(36, 36), mode="bicubic")


@pytest.fixture
def generator() -> layered.Generator:
    torch.manual_seed(0)
    made = layered.Generator(2, 64, layers=4, fields="coarse").eval().requires_grad_(False)
    made.to_fields = Smooth()
    nn.init.normal_(made.to_colours[-1].weight)
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with an untrained generator."""
    parameters = {"seed": 2, "selection": "faces"}
    made = record.create("08-tiny", "08_layered_gan", "", parameters, tmp_path_factory.mktemp("runs"))
    save_weights(made / sampler.WEIGHTS, layered.Generator(2, 5, layers=3), mode="RGBA", premultiplied=True)
    return made


def test_a_seed_is_what_sample_draws_of_it(run, tmp_path):
    generator = explorer.load(run)
    for seed, size in ((3, 100), (5, 16)):
        picture = explorer.draw(generator, explorer.latents_of(generator, seed), size)[0]
        out = tmp_path / str(seed)
        assert main(["sample", str(run), "--n", "1", "--seed", str(seed), "--size", str(size), "--out", str(out)]) == 0
        np.testing.assert_array_equal(np.asarray(Image.open(out / "0000.png")).transpose(2, 0, 1), picture)


def test_runs_without_layers_or_weights_are_refused(tmp_path):
    other = record.create("02-tiny", "02_improved_gan", "", {}, tmp_path)
    with pytest.raises(BadInput, match="keeps no generator"):
        explorer.load(other)
    save_weights(other / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    with pytest.raises(BadInput, match=r"02-tiny.* has a generator without layers; give a run of notebook 08"):
        explorer.load(other)


def test_shapes_of_one_in_the_colours_of_another(generator):
    shape, colours = generator.latents(4, 0).split((1, 3))
    masks = generator.draw(shape)[1][0].numpy()
    drawn = explorer.draw(generator, shape, colours=colours)
    for picture, one in zip(drawn, generator.colours(colours).numpy(), strict=True):
        summed = sum(colour[:, None, None] * mask for colour, mask in zip(one, masks, strict=True))
        apart = pixels.premultiply(picture[None])[0].astype(int) - 255 * summed
        assert np.abs(apart).max() < 9  # alphas of under 8 are made transparent
    np.testing.assert_array_equal(explorer.draw(generator, colours), explorer.draw(generator, colours, colours=colours))


def test_directions_are_those_of_another_implementation(generator):
    steps, parts = explorer.directions(generator, 200, 1)
    latents = generator.latents(200, 1)
    small = generator(latents).view(200, 4, 18, 4, 18, 4).mean((3, 5)).flatten(1).double().numpy()
    analysis = PCA(explorer.COMPONENTS, svd_solver="full").fit(small)
    np.testing.assert_allclose(parts, analysis.explained_variance_ratio_, rtol=1e-3)
    coordinates = analysis.transform(small)
    wanted = LinearRegression().fit(coordinates / coordinates.std(0), latents.double().numpy()).coef_.T
    signs = np.sign(analysis.components_.sum(1, keepdims=True))
    np.testing.assert_allclose(steps, signs * wanted, atol=0.01)


def test_a_picture_is_an_emoji_or_a_file(tmp_path, draw_png):
    smile = emoji.load("😀")
    for name in ("😀", "grinning face", "1f600"):
        np.testing.assert_array_equal(explorer.read(name), smile.images)
    straight = emoji.load("😀", premultiplied=False).images[0]
    Image.fromarray(straight.transpose(1, 2, 0)).save(tmp_path / "smile.png")
    np.testing.assert_array_equal(explorer.read(str(tmp_path / "smile.png")), smile.images)
    wide = explorer.read(str(draw_png(tmp_path / "wide.png", (300, 150))))
    assert wide.shape == (1, 4, 72, 72)
    assert (wide[0, 3, 20:52] == 255).all()
    assert not wide[:, :, :16].any()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.png", "there is no file none.png; give the path of a PNG, or an emoji by character or name"),
        ("./folder/", "there is no file ./folder/"),
        ("faces", "picture 'faces' is 119 pictures; give one emoji"),
        ("grining face", "did you mean 'grinning face'"),
        ("corrupt.png", "corrupt.png is not a readable image"),
        ("line.png", "line.png is 400×2 pixels, too narrow"),
    ],
)
def test_what_is_no_picture_is_one_clear_line(tmp_path, monkeypatch, draw_png, name, says):
    (tmp_path / "corrupt.png").write_bytes(draw_png(tmp_path / "line.png", (400, 2)).read_bytes()[:40])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as error:
        explorer.read(name)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_picture_of_the_generator_is_found_again(generator):
    wanted = pixels.premultiply(explorer.draw(generator, generator.latents(1, 99)))
    nearest, found = explorer.project(generator, wanted, 80, 0)
    x = scale(torch.from_numpy(wanted))
    assert scores.psnr(generator(found), x) > scores.psnr(generator(nearest), x) + 6
    assert 0.8 < found.norm() / 64**0.5 < 1.2
    assert torch.equal(explorer.project(generator, wanted, 80, 0)[1], found)
    with pytest.raises(BadInput, match="projection_steps 0 is not positive"):
        explorer.project(generator, wanted, 0)


def test_a_recipe_is_followed(generator):
    steps = torch.eye(explorer.COMPONENTS, 64)
    first, second, third, own = explorer.latents_of(generator, 1, 2, 3, 4).split(1)
    follow = lambda **recipe: explorer.Recipe(**recipe).follow(generator, steps, {"mine": own})  # noqa: E731
    shape, colours = follow(seed=1)
    torch.testing.assert_close(shape, first)
    assert shape is colours
    torch.testing.assert_close(follow(seed=1, towards=2, way=1.0)[0], second)
    halfway = follow(seed=1, towards=2, way=0.5)[0]
    torch.testing.assert_close(F.cosine_similarity(halfway, first), F.cosine_similarity(halfway, second))
    torch.testing.assert_close(follow(seed=1, truncation=0.5)[0], first / 2)
    moved = follow(seed=1, directions=(0.0, -2.0))[0] - first
    torch.testing.assert_close(moved, -2 * steps[1:2])
    torch.testing.assert_close(follow(own="mine", seed=1, colours=3), (own, third))


def test_favourites_say_where_they_come_from(generator, tmp_path):
    latents = generator.latents(2, 0).split(1)
    facts = {"run": "r", "own": "😀", "colours": 7}
    path = explorer.save(tmp_path / "one.png", generator, latents, facts, 100)
    with Image.open(path) as kept:
        assert kept.size == (100, 100)
        assert kept.text == {"run": "r", "own": "😀", "colours": "7", "index": "0"}
    text = explorer.save(tmp_path / "new" / "one.svg", generator, latents, facts).read_text(encoding="utf-8")
    assert "<desc>run r, own 😀, colours 7, index 0</desc>" in text
    drawn = pixels.premultiply(explorer.draw(generator, latents[0], 288, latents[1]))[0]
    outlines = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=text, width=288, height=288))))
    straight = np.asarray(outlines.convert("RGBA")).transpose(2, 0, 1)[None]
    assert np.abs(pixels.premultiply(straight)[0].astype(int) - drawn).mean() < 5
    for size in (15, 2049):
        with pytest.raises(BadInput, match=rf"size {size} is not between 16 and 2,048 pixels"):
            explorer.save(tmp_path / "no.png", generator, latents, facts, size)


def widgets_of(one) -> list:
    """A widget and all that it holds."""
    return [one, *(inner for child in getattr(one, "children", ()) for inner in widgets_of(child))]


def test_sliders_redraw_and_buttons_save(run, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", shown.append)
    generator = explorer.load(run)
    steps = torch.eye(explorer.COMPONENTS, 5)
    explorer.box(run, generator, steps, {"mine": generator.latents(1, 9)}, tmp_path)
    named = {getattr(one, "description", ""): one for one in widgets_of(shown[0])}
    picture = next(one for one in widgets_of(shown[0]) if hasattr(one, "format"))
    seen = {picture.value}
    changes = {
        "seed": 5,
        "truncation": 0.5,
        "way": 0.5,
        "direction 2": 3.0,
        "other colours": True,
        "begin with": "mine",
    }
    for number, (slider, value) in enumerate(changes.items(), 2):
        named[slider].value = value
        seen.add(picture.value)
        assert len(seen) == number, slider
    named["PNG pixels"].value = 96
    for button in ("save PNG", "save PNG", "save SVG"):
        named[button].click()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["favourite-1.png", "favourite-1.svg", "favourite-2.png"]
    with Image.open(tmp_path / "favourite-2.png") as kept:
        assert kept.size == (96, 96)
        assert kept.text["run"] == run.name
        assert kept.text["own"] == "mine"
        assert [kept.text[name] for name in ("seed", "way", "colours")] == ["5", "0.5", "1"]
        assert kept.text["directions"] == "(0.0, 3.0, 0.0, 0.0, 0.0)"
