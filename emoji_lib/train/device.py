"""What the machine is and how training uses it: device, number format, memory order."""

import contextlib
import platform

import torch
from torch import nn

from emoji_lib import BadInput


def pick(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises `BadInput` for a device this machine lacks."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError(f"no {device.type} here")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {name!r} cannot be used; give auto, cpu or cuda ({error})") from error
    return device


def describe(device: torch.device) -> str:
    """The device in words, for a run's record."""
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


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """To the device, in channels-last order, which convolution kernels prefer on CPUs and GPUs alike."""
    return network.to(device=device, memory_format=torch.channels_last)
