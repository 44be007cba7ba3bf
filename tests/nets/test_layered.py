import math

import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.nets import dcgan, layered


def generator(**options) -> layered.Generator:
    torch.manual_seed(0)
    return layered.Generator(2, 6, layers=4, **options).eval()


@pytest.mark.parametrize("name", layered.MASKS)
def test_masks_are_parts_of_a_whole(name):
    fields = 3 * torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    masks = layered.MASKS[name](fields)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 5, 5, dtype=torch.float64))
    assert masks.min() >= 0


def test_each_layer_lies_over_those_before_it():
    """Against the sheets laid down one by one."""
    fields = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    colours = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    colours[:, 0] = 0
    picture = torch.zeros(2, 4, 3, 3, dtype=torch.float64)
    for layer in range(1, 4):
        cover = fields[:, layer, None].sigmoid()
        picture = colours[:, layer, :, None, None] * cover + picture * (1 - cover)
    ours = layered.Generator.compose(layered.over_masks(fields), colours)
    torch.testing.assert_close(ours, 2 * picture - 1)


def test_the_picture_is_the_sum_of_its_layers():
    network, latents = generator(), torch.randn(3, 6, generator=torch.Generator().manual_seed(2))
    picture, masks = network.draw(latents)
    colours = network.colours(latents)
    assert (colours[:, 0] == 0).all()
    assert (colours[:, 1:, 3] == 1).all()
    summed = sum(masks[:, k, None] * colours[:, k, :, None, None] for k in range(4))
    torch.testing.assert_close(picture, 2 * summed - 1)
    assert torch.equal(network(latents), picture)


def test_bounded_fields_are_of_one_scale():
    fields = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    scaled = layered.PixelNorm()(fields)
    torch.testing.assert_close(scaled, fields / fields.square().mean(1, keepdim=True).sqrt())
    torch.testing.assert_close(layered.PixelNorm()(100 * fields), scaled)
    network, latents = generator(fields="bounded"), torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for weights in network.to_fields.parameters():
            weights *= 10  # an untrained network's fields are hardly above the norm's least scale
    torch.testing.assert_close(network.fields(latents).square().mean(1), torch.ones(2, 72, 72))


@pytest.mark.parametrize("fields", layered.FIELDS)
@pytest.mark.parametrize("size", [24, 72, 200])
def test_any_size(fields, size):
    picture = generator(fields=fields)(torch.zeros(1, 6), size)
    assert picture.shape == (1, 4, size, size)
    assert picture.abs().max() <= 1


def test_a_small_picture_is_the_large_one_seen_from_afar():
    """Not samples of it, which would alias."""
    network, latents = generator(sharpness=20.0), torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    apart = network(latents, 24) - torch.nn.functional.avg_pool2d(network(latents, 72), 3)
    assert apart.abs().max() < 1e-5


def test_a_large_picture_is_the_small_one_with_crisp_edges():
    """A disc: at eight times the size the boundary stays where it is, and hardly more pixels wide."""
    network = generator(fields="coarse")
    at = torch.arange(36) - 17.5
    disc = (10 - (at[:, None] ** 2 + at[None] ** 2).sqrt()).expand(1, 4, 36, 36).clone()
    disc[:, 1], disc[:, 2:] = -disc[:, 1], -99
    small, large = (network.masks(disc, size)[0, 0] for size in (72, 576))
    shrunk = torch.nn.functional.avg_pool2d(large[None], 8)[0]
    assert (shrunk - small).abs().max() < 0.3
    assert (shrunk - small).abs().mean() < 0.02
    grey = [((row > 0.05) & (row < 0.95)).sum().item() for row in (small[36], large[288])]
    assert grey[1] <= 2 * grey[0]  # an enlarged picture has eight times as many


def test_a_colour_latent_recolours_and_leaves_the_shape():
    network = generator(colour_latent=2)
    latents = torch.randn(1, 6, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    latents[1, 4:] += 3
    masks, colours = network.draw(latents)[1], network.colours(latents)
    torch.testing.assert_close(masks[0], masks[1])
    assert (colours[0] - colours[1]).abs().max() > 0.01
    latents[1, :4] += 3
    torch.testing.assert_close(network.colours(latents)[1], colours[1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layers": 1}, "layers 1"),
        ({"sharpness": 0.0}, "sharpness 0.0"),
        ({"latent": 6, "colour_latent": 6}, "colour_latent 6.*under 6"),
        ({"fields": "sharp"}, "unknown fields 'sharp': coarse, fine, bounded, smooth, transposed"),
        ({"masks": "soft"}, "unknown masks 'soft': softmax, over"),
    ],
)
def test_options_that_cannot_be_are_named(options, says):
    with pytest.raises(BadInput, match=says):
        layered.Generator(2, **options)


@pytest.mark.parametrize("deviations", [-1, 7, 64])
def test_deviations_that_do_not_divide_the_features_are_named(deviations):
    with pytest.raises(BadInput, match=f"deviations {deviations} does not divide the 32 features"):
        layered.Discriminator(4, deviations=deviations)


def test_deviations_are_means_over_groups_of_features():
    """Written out: three images, six features in two groups, one place each."""
    features = torch.randn(3, 6, 1, 1, generator=torch.Generator().manual_seed(0))
    seen = layered.BatchDeviations(2)(features)
    apart = [
        torch.stack([(one - one.mean()).square().mean().sqrt() for one in features[:, k : k + 3, 0, 0].T]).mean()
        for k in (0, 3)
    ]
    torch.testing.assert_close(seen[:, :6], features)
    torch.testing.assert_close(seen[:, 6:, 0, 0], torch.stack(apart).expand(3, 2))


def test_only_with_deviations_is_an_image_seen_beside_the_others():
    images = torch.randn(3, 4, 72, 72, generator=torch.Generator().manual_seed(0))
    for deviations in (0, 16):
        torch.manual_seed(0)
        network = layered.Discriminator(4, deviations=deviations, **dcgan.IMPROVED).eval()
        alone = network(images[:1].expand(3, -1, -1, -1))[0]
        assert torch.isclose(network(images)[0], alone, atol=1e-6) == (deviations == 0)


def test_blurring_is_the_binomial_filter_and_leaves_flat_maps():
    maps = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).expand(3, 1, 3, 3) / 16
    padded = torch.nn.functional.pad(maps, (1, 1, 1, 1), mode="replicate")
    torch.testing.assert_close(layered.Blur()(maps), torch.nn.functional.conv2d(padded, kernel, groups=3))


def test_enlarged_blends_keep_their_shade():
    """Two layers by halves beside a third: at eight times the size the shades stay, and the edge is as narrow."""
    masks = torch.zeros(1, 3, 72, 72)
    masks[:, :2, :, :36], masks[:, 2, :, 36:] = 0.5, 1.0
    large = layered.sharpened(layered.enlarged(masks, 576, "bilinear"), masks)
    torch.testing.assert_close(large.sum(1), torch.ones(1, 576, 576))
    torch.testing.assert_close(large[0, 0, :, :284], torch.full((576, 284), 0.5))
    assert (large[0, 0, 0] * (0.5 - large[0, 0, 0]) > 0.01).sum() <= 2


def test_where_three_regions_meet_no_fourth_shows():
    """Also where masks are so hard that a mask's least is exactly 0."""
    y, x = torch.meshgrid(torch.arange(72.0) - 35.5, torch.arange(72.0) - 35.5, indexing="ij")
    slopes = [(1.5 * (math.cos(angle) * x + math.sin(angle) * y)).clamp(-3.5, 3.5) for angle in (0.3, 2.4, 4.5)]
    fields = torch.stack([torch.full_like(x, -3.5), *slopes])[None] / 2  # a sharpness of 2
    assert generator().masks(fields, 576)[0, 0].max() < 0.05
    torch.testing.assert_close(generator().masks(1e6 * fields, 288).sum(1), torch.ones(1, 288, 288))
