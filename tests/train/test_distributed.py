"""Two real processes (gloo) against one with the same global batch."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import two_processes

from emoji_lib import BadInput
from emoji_lib.nets import dcgan
from emoji_lib.runs import record
from emoji_lib.train import device, distributed, gan
from emoji_lib.train.system import SEED_STRIDE

ROOT = Path(__file__).parents[2]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launch(*command, timeout=240):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*TWO, *map(str, command)], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )


class BothStreams(gan.GAN):
    """One process that draws the latents that two would draw."""

    def __init__(self, *networks, seed, **settings):
        super().__init__(*networks, seed=seed, **settings)
        self.streams = [torch.Generator().manual_seed(seed + SEED_STRIDE * (1 + rank)) for rank in range(2)]

        single = self.generator.noise

        def noise(n, rng):
            if rng is not self.rng:  # the fixed latents
                return single(n, rng)
            return torch.cat([torch.randn(n // 2, 100, generator=stream) for stream in self.streams])

        self.generator.noise = noise


def stream(state: torch.Tensor) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(state.clone())
    return generator


def weights(state: dict) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in state.values()])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes ends with, for every kind of training."""
    folder = tmp_path_factory.mktemp("two")
    done = launch(two_processes.__file__, folder)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("kind", ["bce", "softmax", "cycle"])
def test_two_processes_equal_one_with_the_same_global_batch(kind, two, monkeypatch):
    one, other = (found[kind] for found in two)
    monkeypatch.setattr(device, "number_format", lambda _: "fp32")
    together, notes = two_processes.train(kind, BothStreams)
    for name, expected in together.state_dict()["networks"].items():
        assert torch.equal(weights(one["networks"][name]), weights(other["networks"][name])), name
        # By the mean, as Adam makes a step of a gradient that is rounding alone (the last bias under the softmax loss).
        apart = (weights(one["networks"][name]) - weights(expected)).abs().mean()
        assert apart < 1e-3 * two_processes.STEPS * 2e-4, name
    assert one["facts"] == other["facts"] == pytest.approx(notes.facts, rel=1e-4, abs=2e-3)
    first, second = (torch.randn(8, generator=stream(state)) for state in one["rng"])
    assert not torch.equal(first, second)  # states may differ where the numbers do not


@pytest.mark.parametrize("name", ["generator", "average"])
def test_running_statistics_are_the_mean_of_what_each_process_has_seen(name, two):
    """Batch norm normalises each process's own part; what is sampled and kept must not be rank 0's alone."""
    torch.manual_seed(0)
    plain = [dcgan.Generator(4)]
    plain.append(copy.deepcopy(plain[0]))
    for rank, generator in enumerate(plain):
        rng = torch.Generator().manual_seed(3 + SEED_STRIDE * (1 + rank))
        for _ in range(two_processes.STEPS):
            generator(generator.noise(two_processes.GLOBAL_BATCH // 2, rng))
    states = [found["batch norm"]["networks"][name] for found in two]
    for key, first in plain[0].state_dict().items():
        expected = (first + plain[1].state_dict()[key]) / 2
        for state in states:
            torch.testing.assert_close(state[key], expected.to(first.dtype), atol=1e-6, rtol=1e-5)


def test_each_process_goes_on_with_its_own_random_numbers():
    networks = [dcgan.Generator(2), dcgan.Discriminator(2)]
    first, second, again = (gan.GAN(*networks, loss="bce", seed=seed) for seed in (0, 1, 2))
    state = first.state_dict() | {"rng": torch.stack([first.rng.get_state(), second.rng.get_state()])}
    again.processes = SimpleNamespace(rank=1, size=2)
    again.load_state_dict(state)
    assert torch.equal(torch.rand(4, generator=again.rng), torch.rand(4, generator=second.rng))


def test_an_experiment_runs_under_torchrun_and_keeps_one_record(tmp_path):
    small = ("-p", "features", 4, "-p", "steps", 6, "-p", "batch_size", 4, "-p", "eval_samples", 9, "--out", tmp_path)
    done = launch("-m", "emoji_lib", "run", "02-quick", *small)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished in") == 1
    ((_, kept),) = record.runs_in(tmp_path)
    assert kept["status"] == "finished"
    assert kept["images_seen"] == 24


def test_a_batch_that_does_not_divide_is_refused():
    several = distributed.Processes(torch.device("cpu"), 1, 2)
    (part,) = several.parts(torch.arange(6))
    assert part.tolist() == [3, 4, 5]
    with pytest.raises(BadInput, match="batch_size 5 does not divide among 2 processes"):
        several.parts(torch.arange(5))
