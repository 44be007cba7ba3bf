import os
import signal

import numpy as np
import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.data.batches import Batches
from emoji_lib.train import loop, observers


class Counting:
    """A system that learns nothing: its loss is the number of the step."""

    device, capturable = torch.device("cpu"), False

    def __init__(self, bad_at: int = 0):
        self.steps, self.bad_at = 0, bad_at

    def step(self, real):
        self.steps += 1
        return {"loss_g": torch.tensor(float("nan") if self.steps == self.bad_at else float(self.steps))}

    def sample(self, latents):
        return latents

    def state_dict(self):
        return {"networks": {}, "steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class Notes:
    def __init__(self):
        self.rows, self.shown, self.filmed, self.state, self.facts = [], [], [], None, {}

    def log(self, step, facts):
        self.rows.append((step, facts))

    def snapshot(self, step, images):
        self.shown.append(step)

    def frame(self, step, images):
        self.filmed.append(step)

    def restore(self):
        return self.state

    def trace(self, trace):
        self.watched = list(trace)

    def checkpoint(self, step, state):
        self.state = state

    def note(self, **facts):
        self.facts = facts


def batches():
    return Batches(np.zeros((6, 1, 2, 2), np.uint8), 3, seed=0)


def test_rows_are_means_since_the_row_before_and_none_is_lost():
    notes = Notes()
    loop.train(Counting(), batches(), 1001, notes, torch.zeros(1, 1))
    assert [step for step, _ in notes.rows] == [*range(2, 1001, 2), 1001]
    assert notes.rows[0][1] == {"loss_g": 1.5}
    assert notes.rows[-1] == (1001, {"loss_g": 1001.0})
    assert notes.shown == [10, 30, 100, 250, 500, 667, 1001]
    assert len(notes.filmed) == 48
    assert notes.filmed[-1] == 1001
    assert notes.state["step"] == 1001
    assert notes.facts["steps"] == 1001
    assert notes.facts["images_seen"] == 3003


def test_stages_end_one_after_the_other_and_none_after_the_cap():
    assert loop.stage_ends("100 200 1000 10000") == [100, 300, 1300, 11300]
    assert loop.stage_ends("50 70 130", 60) == [50, 60, 60]


@pytest.mark.parametrize(
    ("lengths", "cap", "said"),
    [
        ("", 0, "stages ''"),
        ("50, 70", 0, "'50, 70'"),
        ("50 0", 0, "'50 0'"),
        ("9 -4", 0, "'9 -4'"),
        ("9", -1, "steps -1"),
    ],
)
def test_stages_that_are_none_are_refused_by_name(lengths, cap, said):
    with pytest.raises(BadInput, match=said):
        loop.stage_ends(lengths, cap)


def test_a_number_that_is_not_finite_stops_the_run_with_the_step():
    with pytest.raises(observers.Diverged, match=r"by step 5 losses .*nan.*there is no checkpoint yet"):
        loop.train(Counting(bad_at=5), batches(), 20, Notes(), torch.zeros(1, 1))


def test_weights_that_are_not_finite_never_reach_a_checkpoint():
    class Spoiled(Counting):
        def state_dict(self):
            weight = torch.tensor(float("inf") if self.steps == 3 else 1.0)
            return super().state_dict() | {"networks": {"generator": {"weight": weight}}}

    notes = Notes()
    with pytest.raises(observers.Diverged, match=r"by step 3 weights of the generator .*last good checkpoint: step 2"):
        loop.train(Spoiled(), batches(), 20, notes, torch.zeros(1, 1), checkpoint_every=0)
    assert notes.state["step"] == 2


def test_a_stop_in_the_last_step_is_heeded_and_the_run_can_be_ended_later():
    class Stopped(Counting):
        def step(self, real):
            if self.steps == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().step(real)

    notes = Notes()
    with pytest.raises(observers.Interrupted, match="step 4 of 4"):
        loop.train(Stopped(), batches(), 4, notes, torch.zeros(1, 1))
    loop.train(Counting(), batches(), 4, notes, torch.zeros(1, 1))
    assert notes.facts["steps"] == 4


def test_a_progress_line_is_plain_and_says_how_long(capsys):
    loop.train(Counting(), batches(), 4, Notes(), torch.zeros(1, 1))
    said = capsys.readouterr().out
    assert said.startswith("step 4/4 (100%)  loss_g 4.00  ")
    assert "images/s  0:00 left" in said
    assert "\r" not in said


class Falling:
    """A monitor that calls the run collapsed at its third evaluation."""

    def __init__(self, ignore_collapse: bool = False):
        self.trace, self.ignore_collapse = [], ignore_collapse

    def evaluate(self, step, sample):
        self.trace.append({"step": step, "coverage": 1.0 / len(self.trace or [0])})

    @property
    def collapsed(self):
        return len(self.trace) >= 3


def test_a_collapsed_run_ends_there_and_stays_ended_when_it_is_taken_up():
    notes, system = Notes(), Counting()
    loop.train(system, batches(), 240, notes, torch.zeros(1, 1), monitor=Falling())
    assert notes.facts["collapsed"]
    assert system.steps == notes.facts["steps"] == notes.state["step"] == 30
    assert notes.shown[-1] == 30
    again = Falling()
    loop.train(system, batches(), 240, notes, torch.zeros(1, 1), monitor=again)
    assert system.steps == notes.facts["steps"] == 30
    assert len(again.trace) == 3


def test_a_collapsed_run_goes_on_if_asked_to():
    notes = Notes()
    loop.train(Counting(), batches(), 240, notes, torch.zeros(1, 1), monitor=Falling(ignore_collapse=True))
    assert notes.facts["steps"] == 240
    assert notes.facts["collapsed"]
    assert len(notes.watched) == 24


class Rated(Counting):
    """With learning rates, of which it notes that of each step."""

    def __init__(self):
        super().__init__()
        weight = torch.nn.Parameter(torch.zeros(1))
        self.optimizers = {name: torch.optim.Adam([weight], rate) for name, rate in (("a", 1.0), ("b", 0.1))}
        self.noted = []

    def step(self, real):
        self.noted.append([one.param_groups[0]["lr"] for one in self.optimizers.values()])
        return super().step(real)

    def state_dict(self):
        optimizers = {name: one.state_dict() for name, one in self.optimizers.items()}
        return super().state_dict() | {"optimizers": optimizers}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        for name, one in self.optimizers.items():
            one.load_state_dict(state["optimizers"][name])


def test_learning_rates_fall_over_the_last_fraction_of_the_run_to_a_twentieth():
    system = Rated()
    loop.train(system, batches(), 8, Notes(), torch.zeros(1), decay=0.5)
    a = [rate for rate, _ in system.noted]
    assert a == pytest.approx([1, 1, 1, 1, 1, 0.7625, 0.525, 0.2875])
    assert [rate for _, rate in system.noted] == pytest.approx([rate / 10 for rate in a])
    assert system.optimizers["a"].param_groups[0]["lr"] == pytest.approx(0.05)


def test_a_resumed_run_goes_on_with_the_rate_that_it_had():
    whole, notes = Rated(), Notes()
    loop.train(whole, batches(), 8, Notes(), torch.zeros(1), decay=0.75)
    cut = Rated()
    loop.train(cut, batches(), 6, notes, torch.zeros(1))
    notes.state["system"]["optimizers"] = {  # as if it had been cut from the whole run
        name: one.state_dict() | {"param_groups": [one.state_dict()["param_groups"][0] | {"lr": rate}]}
        for (name, one), rate in zip(cut.optimizers.items(), whole.noted[6], strict=True)
    }
    resumed = Rated()
    loop.train(resumed, batches(), 8, notes, torch.zeros(1), decay=0.75)
    assert np.array(resumed.noted) == pytest.approx(np.array(whole.noted[6:]))


@pytest.mark.parametrize("decay", [-0.1, 1.5])
def test_a_decay_is_a_fraction(decay):
    with pytest.raises(BadInput, match=f"decay {decay} is not a fraction in 0..1"):
        loop.train(Rated(), batches(), 8, Notes(), torch.zeros(1), decay=decay)
