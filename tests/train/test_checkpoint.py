import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emoji_lib import BadInput, files
from emoji_lib.nets import dcgan
from emoji_lib.train import checkpoint

ROOT = Path(__file__).parents[2]


def test_weights_describe_themselves(tmp_path):
    torch.manual_seed(0)
    generator = dcgan.Generator(16, latent=10, norm="none", bias=True)
    checkpoint.save_weights(tmp_path / "g.safetensors", generator, mode="RGBA", premultiplied=True)
    loaded, facts = checkpoint.load_weights(tmp_path / "g.safetensors")
    assert facts == {"mode": "RGBA", "premultiplied": True}
    assert not loaded.training
    latents = generator.latents(3, 0)
    torch.testing.assert_close(loaded(latents), generator.eval()(latents), atol=2e-3, rtol=0)
    assert (tmp_path / "g.safetensors").stat().st_size < 2.2 * sum(weight.numel() for weight in generator.parameters())


def test_a_tensor_too_large_for_half_precision_is_kept_whole(tmp_path):
    generator = dcgan.Generator(1)
    with torch.no_grad():
        generator.layers[0][0].weight.fill_(1e6)
    checkpoint.save_weights(tmp_path / "g.safetensors", generator, mode="RGBA")
    loaded, _ = checkpoint.load_weights(tmp_path / "g.safetensors")
    assert (loaded.layers[0][0].weight == 1e6).all()


def test_foreign_and_broken_weights_are_refused(tmp_path):
    path = tmp_path / "g.safetensors"
    with pytest.raises(BadInput, match=r"g\.safetensors is not a readable"):
        checkpoint.load_weights(path)
    path.write_bytes(b"not at all")
    with pytest.raises(BadInput, match=r"g\.safetensors is not a readable"):
        checkpoint.load_weights(path)
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(BadInput, match="does not say which network"):
        checkpoint.load_weights(path)


@pytest.mark.parametrize(
    ("options", "facts", "told"),
    [
        ('{"features": 4}', '{"mode": "RGBA"}', r"does not fit dcgan\.Generator"),
        ('{"features": 1000000}', '{"mode": "RGBA"}', r"does not fit dcgan\.Generator"),  # 8 TB, never asked for
        ('{"features": 4}', "{}", "do not describe a network"),
        ('{"features": 4}', "[]", "do not describe a network"),
        ("[]", '{"mode": "RGBA"}', "do not describe a network"),
        ("{", "{}", "is no JSON"),
        ('{"feature": 4}', '{"mode": "RGBA"}', "cannot be built"),
    ],
)
def test_weights_that_say_something_else_of_themselves_are_refused(options, facts, told, tmp_path):
    path = tmp_path / "g.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"network": "dcgan.Generator", "options": options, "facts": facts})
    with pytest.raises(BadInput, match=told):
        checkpoint.load_weights(path)


def test_equal_weights_are_equal_bytes(tmp_path):
    """The header of the library is in an order of its own in each process."""
    code = (
        "import sys, torch; from emoji_lib.nets import dcgan; from emoji_lib.train.checkpoint import save_weights\n"
        "from pathlib import Path; torch.manual_seed(0)\n"
        "save_weights(Path(sys.argv[1]), dcgan.Generator(1), mode='RGBA', premultiplied=True)"
    )
    names = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for name in names:
        subprocess.run([sys.executable, "-c", code, name], check=True, cwd=ROOT)
    assert len({name.read_bytes() for name in names}) == 1


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")

    def fail(partial):
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        files.write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
