"""A DDPM by diffusers, as its example of unconditional training has it, with a small U-Net; drawn by DDIM."""

import math

import clock
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch.nn import functional as F

BATCH, RATE, DRAWN = 16, 1e-4, 25  # the last: steps of DDIM
WARM_UP = 0.05  # as a fraction of the time
WIDTHS = (32, 64, 128, 128)
DOWN, UP = ["DownBlock2D"] * 3 + ["AttnDownBlock2D"], ["AttnUpBlock2D"] + ["UpBlock2D"] * 3


def rate() -> float:
    """Linear warm-up, then half a cosine to zero."""
    used = min(1.0, turn.used())
    if used < WARM_UP:
        return RATE * used / WARM_UP
    return RATE * (1 + math.cos(math.pi * (used - WARM_UP) / (1 - WARM_UP))) / 2


turn = clock.Turn()
torch.manual_seed(turn.seed)
images = torch.from_numpy(turn.pictures()).permute(0, 3, 1, 2)
shape = {"block_out_channels": WIDTHS, "layers_per_block": 1, "down_block_types": DOWN, "up_block_types": UP}
unet = UNet2DModel(64, 3, 3, **shape)
noises = DDPMScheduler(1000)
optimizer = torch.optim.AdamW(unet.parameters(), RATE, (0.95, 0.999), 1e-8, 1e-6)
average = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
steps = 0
while turn.goes_on():
    real = images[torch.randint(len(images), (BATCH,))].float() / 127.5 - 1
    real = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, real.flip(3), real)
    noise, times = torch.randn_like(real), torch.randint(1000, (BATCH,))
    loss = F.mse_loss(unet(noises.add_noise(real, noise, times), times).sample, noise)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.param_groups[0]["lr"] = rate()
    optimizer.step()
    optimizer.zero_grad()
    average.step(unet.parameters())
    steps += 1
turn.trained(steps * BATCH)

average.copy_to(unet.parameters())
pipeline = DDIMPipeline(unet.eval(), DDIMScheduler.from_config(noises.config))
pipeline.set_progress_bar_config(disable=True)


def draw(n: int):
    drawn = pipeline(n, num_inference_steps=DRAWN, output_type="np").images
    return (drawn * 255).round().astype("uint8")


turn.draw(draw)
