"""Where a student runs and in which numbers: on the GPU where there is one, in bfloat16 where that has it.

What is trained, adapters, stays in float32 everywhere; this is about the weights under them, which are frozen.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from empathic.errors import UserError
from empathic.recipe.sections import Student

_DEVICES = Path("/dev")


@dataclass(frozen=True)
class Placement:
    """Where and how weights lie.

    Attributes:
        device: as torch names it.
        dtype: of the weights, and of what is computed from them; under 4 bits of the latter alone.
        four_bit: whether linear layers are loaded in 4 bits (NF4, with quantised constants).
    """

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    four_bit: bool = False

    @property
    def rounds(self) -> bool:
        """Whether it computes in bfloat16."""
        return self.dtype == "bfloat16"

    @property
    def torch_dtype(self) -> Any:
        """The type as torch has it."""
        import torch

        return getattr(torch, self.dtype)

    def loading(self) -> dict[str, Any]:
        """What `from_pretrained` is told."""
        if not self.four_bit:
            return {"dtype": self.torch_dtype}
        from transformers import BitsAndBytesConfig

        bits = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=self.torch_dtype,
        )
        return {"dtype": self.torch_dtype, "quantization_config": bits, "device_map": {"": self.device}}

    def put(self, model: Any) -> Any:
        """A model where it belongs; one in 4 bits was loaded there."""
        return model if self.four_bit else model.to(device=self.device, dtype=self.torch_dtype)


def unusable() -> str:
    """Why torch can't use a GPU that is here, in its words; "" where none is here, or torch isn't to use one."""
    import torch

    wanted = torch.version.cuda and os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1")
    if not wanted or not any(True for _ in _DEVICES.glob("nvidia[0-9]*")):
        return ""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return " ".join(str(error).split())
    return ""


def place(dtype: Literal["auto", "float32", "bfloat16"] = "auto", load_in_4bit: bool = False) -> Placement:
    """Where a model runs on this machine; of several GPUs each process of `accelerate` takes its own.

    Raises:
        UserError: 4 bits without a GPU, or without bitsandbytes; a GPU that torch can't use.
    """
    import torch

    gpu = torch.cuda.is_available()
    if not gpu and (why := unusable()):
        raise UserError(
            f"a GPU is here that torch {torch.__version__} can't use ({why[:200]}); update its driver, install torch's "
            "build for the driver, or set CUDA_VISIBLE_DEVICES=-1 to do without it"
        )
    if load_in_4bit and not gpu:
        raise UserError("student.load_in_4bit: needs a GPU, and there is none here; set it to false")
    if load_in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        raise UserError("student.load_in_4bit: needs bitsandbytes, which isn't here; pip install 'empathic[qlora]'")
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu else "cpu"
    if dtype == "auto":
        dtype = "bfloat16" if gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return Placement(device, dtype, load_in_4bit)


def of(student: Student) -> Placement:
    """Where a recipe's student runs.

    Raises:
        UserError: as `place` does.
    """
    return place(student.dtype, student.load_in_4bit)


def keep_float32(model: Any, adapter: Path | None) -> None:
    """Give a 4-bit model's adapter its numbers in float32 back, which TRL's trainers round to bfloat16.

    Args:
        model: the trainer's `PeftModel`, before its first step.
        adapter: the folder that the adapter was read from; None where it is new.
    """
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if adapter:
        from peft import load_peft_weights, set_peft_model_state_dict

        set_peft_model_state_dict(model, load_peft_weights(str(adapter), device=str(model.device)))
