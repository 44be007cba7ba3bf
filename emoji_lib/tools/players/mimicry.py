"""SNGAN of torch-mimicry: its networks and their own train steps; the rest of the package is left out."""

import sys
from types import ModuleType, SimpleNamespace

import clock
import torch

for left_out in ("training", "metrics", "datasets"):  # these would load TensorFlow and TensorBoard
    sys.modules[f"torch_mimicry.{left_out}"] = ModuleType(left_out)
from torch_mimicry.nets.sngan.sngan_64 import SNGANDiscriminator64, SNGANGenerator64  # noqa: E402

BATCH, FEATURES = 32, 256
RATE, BETAS, D_STEPS = 2e-4, (0.0, 0.9), 5  # as the package's baselines have them


log = SimpleNamespace(add_metric=lambda *_, **__: None)  # takes the numbers that a train step reports
turn = clock.Turn()
torch.manual_seed(turn.seed)
images = torch.from_numpy(turn.pictures()).permute(0, 3, 1, 2)
generator, discriminator = SNGANGenerator64(ngf=FEATURES), SNGANDiscriminator64(ndf=FEATURES)
optimizers = [torch.optim.Adam(one.parameters(), RATE, BETAS) for one in (generator, discriminator)]
seen = 0


def real() -> tuple:
    chosen = torch.randint(len(images), (BATCH,))
    return images[chosen].float() / 127.5 - 1, None


while turn.goes_on():
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = RATE * (1 - turn.used())
    for _ in range(D_STEPS):
        batch = real()
        discriminator.train_step(batch, netG=generator, optD=optimizers[1], log_data=log, device="cpu")
        seen += BATCH
    generator.train_step(batch, netD=discriminator, optG=optimizers[0], log_data=log, device="cpu")
turn.trained(seen)

generator.eval()
with torch.no_grad():
    turn.draw(lambda n: clock.from_signed(generator.generate_images(n, device="cpu")))
