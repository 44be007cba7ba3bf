"""The DCGAN of PyTorch's examples, by its own command line; pictures by the weights of its last whole epoch."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import clock
import torch

turn = clock.Turn("repository")
script, kept = Path(turn.repository, "dcgan", "main.py"), turn.out.parent / "weights"
words = ["--dataset", "folder", "--dataroot", turn.data, "--outf", kept, "--manualSeed", turn.seed]
words += ["--workers", 0, "--niter", 10**6]
training = subprocess.Popen([sys.executable, str(script), *map(str, words)])
while turn.goes_on():
    if training.poll() is not None:
        sys.exit(f"{script.name} ended by itself with {training.returncode}")
    time.sleep(0.1)
training.kill()
training.wait()


def epoch(path: Path) -> int:
    return int(path.stem.rsplit("_", 1)[1])


def newest() -> tuple[int, dict]:
    """The last epoch whose weights are whole, and these."""
    for path in sorted(kept.glob("netG_epoch_*.pth"), key=epoch, reverse=True):
        try:
            return epoch(path), torch.load(path)
        except (RuntimeError, EOFError):
            print(f"{path.name} is cut short")
    sys.exit("the time was too short for one epoch: there are no weights to draw with")


whole, weights = newest()
turn.trained((whole + 1) * len(list(turn.data.glob("**/*.png"))))
(found,) = (
    node for node in ast.parse(script.read_text()).body if isinstance(node, ast.ClassDef) and node.name == "Generator"
)
names = {"nn": torch.nn, "nz": 100, "ngf": 64, "nc": 3}  # what the class takes from its script, by the defaults
exec(compile(ast.Module([found], []), str(script), "exec"), names)
generator = names["Generator"](1)
generator.load_state_dict(weights)
torch.manual_seed(turn.seed)
with torch.no_grad():  # in training mode, as the script draws its own samples
    turn.draw(lambda n: clock.from_signed(generator(torch.randn(n, names["nz"], 1, 1))))
