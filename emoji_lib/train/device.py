"""The device, its number format and its memory, and optimizers that suit it."""

import contextlib
import ctypes
import os
import platform

import torch
from torch import nn

from emoji_lib import BadInput


def pick(name: str) -> torch.device:
    """A device by name; `auto` is CUDA if there is a GPU for each process here, else the CPU. Raises `BadInput`."""
    if name == "auto":
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        name = "cuda" if torch.cuda.is_available() and torch.cuda.device_count() >= processes else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"  # torchrun gives each process a GPU
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"no {device.type} here")
        torch.empty(1, device=device)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # graphs and streams use the current one
            torch.backends.cudnn.benchmark = True  # pays since shapes never change
        else:
            _keep_memory()
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r} cannot be used; give auto, cpu or cuda ({error})") from error
    return device


def _keep_memory() -> None:
    """Have glibc keep freed memory: it returns blocks over 32 MB, and the system then clears every page of the next."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX: nothing outside the heap
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: the heap does not shrink


def describe(device: torch.device) -> str:
    """The device and its number format in words, for a run's record."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {number_format(device)}"
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {capability}, {number_format(device)}"


def number_format(device: torch.device) -> str:
    """`bf16` where the processor multiplies it natively (Ampere and later; CPUs with its dot products), or `fp32`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if supported() else "fp32"


def autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """Convolutions and products in bf16 where `number_format` says so; parameters, losses and optimizers stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=number_format(device) == "bf16")


def place(network: nn.Module, device: torch.device | str) -> nn.Module:
    """To the device, in channels-last order, which convolution kernels prefer on CPUs and GPUs alike."""
    return network.to(device=device, memory_format=torch.channels_last)


def adam(network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Fused Adam (Kingma and Ba 2015); on a GPU its learning rate and counters live there, as CUDA graphs need."""
    parameters = list(network.parameters())
    on_gpu = parameters[0].is_cuda
    rate = torch.tensor(learning_rate, device=parameters[0].device) if on_gpu else learning_rate
    return torch.optim.Adam(parameters, rate, betas, fused=True, capturable=on_gpu)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """As `optimizer.load_state_dict`, from a checkpoint of any device: learning rate and counters stay on this one."""
    (here,), (saved,) = optimizer.param_groups, state["param_groups"]
    group = saved | {"lr": here["lr"], "capturable": here["capturable"]}
    optimizer.load_state_dict(state | {"param_groups": [group]})
    set_rate(optimizer, float(saved["lr"]))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Change the learning rate; on a GPU in the same tensor, which a CUDA graph reads."""
    (group,) = optimizer.param_groups
    group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], torch.Tensor) else rate
