import pytest
import torch
from torch import nn

from emoji_lib import BadInput
from emoji_lib.nets import build, name_of
from emoji_lib.nets.listed import Listed, read_layer


def small():
    return Listed(
        nn.Linear(5, 12),
        nn.BatchNorm1d(12, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.Unflatten(1, (3, 2, 2)),
        nn.Upsample(scale_factor=4),
        nn.Dropout(0.5),
        nn.Conv2d(3, 1, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Softmax(1),
    )


def test_a_network_is_built_again_from_its_options():
    network = small().eval()
    again = build(name_of(network), network.options)
    assert list(map(repr, again)) == list(map(repr, network))
    again.load_state_dict(network.state_dict())
    latents = network.latents(4, 0)
    assert latents.shape == (4, 5)
    assert 0 <= latents.min() < latents.max() < 1
    torch.testing.assert_close(again.eval()(latents), network(latents))


@pytest.mark.parametrize(
    "text", ["__import__('os').system('true')", "Linear(open('x'), 2)", "Module", "functional()", "(", "Linear(-1, 2)"]
)
def test_nothing_but_layers_with_plain_arguments_is_built(text):
    with pytest.raises(BadInput, match=r"not a layer of torch\.nn with plain arguments"):
        read_layer(text)
