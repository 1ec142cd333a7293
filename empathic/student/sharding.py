"""A student that lies in parts on several GPUs: FSDP, where the user's `accelerate config` asks for it.

Each process holds a part of every weight, and a layer is whole only while it runs. So all processes run as many forward
passes as each other, and all take part when something is gathered.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate.utils import fsdp2_prepare_model
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor


def shard(trainer: Any) -> None:
    """Spread a trainer's model over its processes, where it is to be; `train` would do it, but later and otherwise.

    Weights keep their types, the frozen ones theirs and the adapter's float32, and are computed with as on one device.
    Accelerate's own policy would round adapters, gradients and log-probabilities to bfloat16.
    """
    if not trainer.is_fsdp_enabled or isinstance(trainer.model, FSDPModule):
        return
    trainer.accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy()
    trainer.model.forward = trainer.accelerator.autocast()(trainer.model.forward)
    fsdp2_prepare_model(trainer.accelerator, trainer.model)


def whole(weight: torch.Tensor) -> torch.Tensor:
    """A weight that is read beside its layer's own pass; where it is sharded all processes have to read it."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


def part_again(model: Any) -> None:
    """Have a sharded model hold its parts alone, which an optimiser is made of, after a pass without a backward one."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def gathered(trainer: Any) -> dict[str, Any] | None:
    """What is trained, whole, in the main memory of the first process; None where it isn't sharded.

    All processes have to call it.
    """
    if not trainer.is_fsdp_enabled:
        return None
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(trainer.model, options=options)
