"""lightweight-gan by its own trainer, on a CPU: what asks for a GPU is told that the CPU is one."""

from functools import partial
from types import SimpleNamespace

import clock
import torch
from torch import nn

BATCH, WIDTHS, HEADS = 8, 10, 1  # layers have 2 ** (10 - n) features at 2 ** n pixels a side; defaults: 12, and 8 heads

there, torch.cuda.is_available = torch.cuda.is_available, lambda: True  # the package asserts it at its import
from lightweight_gan import lightweight_gan as package  # noqa: E402

torch.cuda.is_available = there
torch.Tensor.cuda = nn.Module.cuda = lambda self, *_: self
package.torch = SimpleNamespace(**vars(torch) | {"device": lambda _: torch.device("cpu")})
package.LinearAttention = partial(package.LinearAttention, heads=HEADS)

turn = clock.Turn()
torch.manual_seed(turn.seed)
trainer = package.Trainer(
    "emoji",
    base_dir=turn.out.parent,
    image_size=64,
    fmap_inverse_coef=WIDTHS,
    batch_size=BATCH,
    num_workers=0,
    save_every=10**9,
    use_aim=False,
)
trainer.evaluate = lambda *_, **__: None
trainer.set_data_src(turn.data)
steps = 0
while turn.goes_on():
    trainer.train()
    steps += 1
turn.trained(steps * BATCH)

trainer.GAN.eval()
with torch.no_grad():
    turn.draw(lambda n: clock.from_unit(trainer.generate_(trainer.GAN.G, torch.randn(n, trainer.latent_dim))))
