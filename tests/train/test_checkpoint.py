import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emoji_lib import BadInput, files
from emoji_lib.nets import dcgan, name_of
from emoji_lib.train import checkpoint

KEPT = sorted(Path(__file__).parents[2].glob("results/*/generator.safetensors"))


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
    with pytest.raises(BadInput, match="was not written by this project"):
        checkpoint.load_weights(path)


@pytest.mark.parametrize(
    ("options", "facts", "message"),
    [
        ('{"features": 4}', '{"mode": "RGBA"}', r"does not fit dcgan\.Generator"),
        ('{"features": 1000000}', '{"mode": "RGBA"}', r"does not fit dcgan\.Generator"),  # 8 TB, never asked for
        ('{"features": 4}', "{}", "it describes no network"),
        ('{"features": 4}', "[]", "it describes no network"),
        ("[]", '{"mode": "RGBA"}', "it describes no network"),
        ("{", "{}", "it describes no network"),
        ('{"feature": 4}', '{"mode": "RGBA"}', "cannot be built"),
        ('{"channels": -1}', '{"mode": "RGBA"}', "cannot be built"),
    ],
)
def test_weights_that_say_something_else_of_themselves_are_refused(options, facts, message, tmp_path):
    path = tmp_path / "g.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"network": "dcgan.Generator", "options": options, "facts": facts})
    with pytest.raises(BadInput, match=message):
        checkpoint.load_weights(path)


def test_equal_weights_are_equal_bytes(tmp_path):
    """The library writes the header in another order each time, in one process too."""
    generator, written = dcgan.Generator(1), set()
    for number in range(8):
        checkpoint.save_weights(tmp_path / f"{number}", generator, mode="RGBA", premultiplied=True)
        written.add((tmp_path / f"{number}").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_kept_weights_load_and_keep_their_options(path):
    network, facts = checkpoint.load_weights(path)
    kept = checkpoint.load_tensors(path)[1]
    assert name_of(network) == kept["network"]
    assert json.loads(kept["options"]) == network.options
    assert facts == json.loads(kept["facts"])


def test_shapes_are_compared_without_what_takes_torch_seconds_to_import(tmp_path):
    """Drawing weights on the meta device imports SymPy and half of the compiler."""
    checkpoint.save_weights(tmp_path / "g", dcgan.Generator(1), mode="RGBA")
    code = (
        "import sys; from pathlib import Path; from emoji_lib.train import checkpoint\n"
        "checkpoint.load_weights(Path(sys.argv[1])); sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "g"]).returncode == 0


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    path.write_text("old")

    def fail(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, "half")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
