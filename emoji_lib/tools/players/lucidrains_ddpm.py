"""denoising-diffusion-pytorch by its own trainer, which is ended when the time is up."""

import clock
import torch
from denoising_diffusion_pytorch import denoising_diffusion_pytorch as package

BATCH, FOREVER = 16, 10**9

turn = clock.Turn()
torch.manual_seed(turn.seed)
package.cpu_count = lambda: 0  # of the processes that load pictures
unet = package.Unet(32, dim_mults=(1, 2, 4))
diffusion = package.GaussianDiffusion(unet, image_size=64, timesteps=1000, sampling_timesteps=25)
trainer = package.Trainer(
    diffusion,
    str(turn.data),
    train_batch_size=BATCH,
    train_num_steps=FOREVER,
    save_and_sample_every=FOREVER,
    results_folder=str(turn.out.parent / "weights"),
    calculate_fid=False,
)


def while_time_lasts(batches):
    for batch in batches:
        if not turn.goes_on():
            trainer.train_num_steps = 0  # this batch is the last
        yield batch


trainer.dl = while_time_lasts(trainer.dl)
trainer.train()
turn.trained(trainer.step * BATCH)

drawn_by = trainer.ema.ema_model.eval()
with torch.inference_mode():
    turn.draw(lambda n: clock.from_unit(drawn_by.sample(batch_size=n)))
