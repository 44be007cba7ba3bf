"""Networks that take the embedding of a phrase."""

import numpy as np
import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.nets import emotigan


def test_minibatch_discrimination_against_plain_loops():
    torch.manual_seed(0)
    layer = emotigan.MinibatchDiscrimination(6, kernels=4, size=3).double()
    features = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    f, t = features.detach().numpy(), layer.weight.detach().numpy()
    m = np.zeros((5, 4, 3))
    for i in range(5):
        for b in range(4):
            for c in range(3):
                m[i, b, c] = sum(f[i, a] * t[a, b, c] for a in range(6))
    near = np.array(
        [[sum(np.exp(-abs(m[i, b] - m[j, b]).sum()) for j in range(5)) for b in range(4)] for i in range(5)]
    )
    out = layer(features)
    assert torch.equal(out[:, :6], features)
    np.testing.assert_allclose(out[:, 6:].detach(), near, rtol=1e-12)
    assert torch.autograd.gradcheck(layer, features)
    twins = layer(torch.ones(5, 6, dtype=torch.float64))
    np.testing.assert_allclose(twins[:, 6:].detach(), 5)  # a batch of one picture only


@pytest.mark.parametrize("condition", emotigan.CONDITIONS)
def test_both_networks_use_the_direction_of_an_embedding_and_not_its_length(condition):
    torch.manual_seed(0)
    generator = emotigan.Generator(4, 7, embedding=6, projected=5).eval()
    discriminator = emotigan.Discriminator(4, embedding=6, projected=5, condition=condition, kernels=0).eval()
    embedded = torch.eye(6)[:2]
    noise = torch.zeros(2, 7)
    one, other = generator(torch.cat((noise, embedded), 1))
    assert not torch.allclose(one, other, rtol=1e-3, atol=0)
    torch.testing.assert_close(generator(torch.cat((noise, 3 * embedded), 1)), torch.stack((one, other)))
    images = torch.randn(1, 4, 72, 72).expand(2, -1, -1, -1)
    logits = discriminator(images, embedded)
    assert abs(logits[0] - logits[1]) > 1e-6
    torch.testing.assert_close(discriminator(images, 3 * embedded), logits)


def test_the_projection_logit_is_a_sum_of_picture_and_phrase():
    """The equation, with nothing else in it: what the phrase adds is an inner product."""
    torch.manual_seed(0)
    network = emotigan.Discriminator(4, embedding=6, condition="project", norm="spectral", bias=True).eval()
    images, embedded = torch.randn(3, 4, 72, 72), torch.randn(3, 6)
    alone = network(images, torch.zeros_like(embedded))
    seen = network.layers(images).mean((2, 3))
    unit = embedded / embedded.norm(dim=1, keepdim=True) * 6**0.5
    bias = network.phrase.dense.bias  # no phrase at all still has it
    by_hand = ((unit @ network.phrase.dense.weight.T) * seen).sum(1) / 32**0.5
    assert by_hand.abs().max() > 1e-3
    torch.testing.assert_close(network(images, embedded) - alone, by_hand, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(alone, network.head(network.layers(images))[:, 0, 0, 0] + (bias * seen).sum(1) / 32**0.5)


def test_latents_are_noise_beside_known_phrases():
    generator = emotigan.Generator(4, 7, embedding=6, projected=5, known=3)
    generator.phrases.copy_(torch.eye(6)[:3])
    latents = generator.latents(40, 0)
    assert latents.shape == (40, 13)
    assert set(latents[:, 7:].argmax(1).tolist()) == {0, 1, 2}
    assert torch.equal(latents, generator.latents(40, 0))
    assert not torch.equal(latents, generator.latents(40, 1))
    with pytest.raises(ValueError, match=r"latents of 7 and embeddings of 6 are \[N, 13\]"):
        generator(latents[:, :7])


@pytest.mark.parametrize("kind", [emotigan.Generator, emotigan.LayeredGenerator])
def test_guidance_leads_from_no_phrase_over_the_phrase_and_on(kind):
    torch.manual_seed(0)
    generator, latents = kind(2, 7, embedding=6, projected=5).eval(), torch.randn(3, 13)
    torch.nn.init.normal_(generator.phrase.dense.bias)
    given = {}
    for weight in (0, 1, 2):
        generator.guidance = weight
        given[weight] = generator.inputs(latents)
    none = torch.cat((latents[:, :7], torch.zeros(3, 6)), 1)
    torch.testing.assert_close(given[0], generator.inputs(none))
    torch.testing.assert_close(given[2] - given[1], given[1] - given[0])
    assert (given[2] - given[1])[:, 7:].abs().min() > 1e-4
    generator.guidance = 1.0
    assert torch.equal(given[1][:, 7:], generator.phrase(latents[:, 7:]))


def test_the_phrase_says_both_where_layers_are_and_their_colours():
    torch.manual_seed(0)
    generator = emotigan.LayeredGenerator(2, 7, embedding=6, projected=5, layers=4).eval()
    one = torch.randn(1, 13)
    other = torch.cat((one[:, :7], torch.randn(1, 6)), 1)
    for part in (generator.fields, generator.colours):
        assert (part(one) - part(other)).abs().max() > 1e-3
    picture, masks = generator.draw(one, 144)
    torch.testing.assert_close(picture, generator.compose(masks, generator.colours(one)))
    assert generator(one, 144).shape == (1, 4, 144, 144)


def test_options_that_do_not_exist():
    with pytest.raises(BadInput, match="unknown condition 'add': concatenate, project"):
        emotigan.Discriminator(4, condition="add")
    with pytest.raises(BadInput, match="minibatch kernels -1 must not be negative"):
        emotigan.Discriminator(4, kernels=-1)
    with pytest.raises(BadInput, match="dropout 1 is not"):
        emotigan.Generator(4, dropout=1)
