"""What a GGUF file says of itself: its keys, and the types that its weights really have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic.errors import UserError

_SHORT = 100  # entries of a list that are still worth keeping; the tokenizer's are longer


@dataclass(frozen=True)
class Contents:
    """What is in a file.

    Attributes:
        keys: its metadata, but the tokenizer's long lists.
        shares: the share of its matrices' weights by type; vectors (norms, biases) always stay as they are.
        bits_per_weight: bits of all tensors over all weights, without metadata.
        weights: how many.
    """

    keys: dict[str, Any]
    shares: dict[str, float]
    bits_per_weight: float
    weights: int


def opened(path: Path) -> Any:
    """A GGUF file's header and tensors, as `gguf.GGUFReader` has them.

    Raises:
        UserError: it isn't a GGUF file, or a torn one.
    """
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        end = max((int(tensor.data_offset + tensor.n_bytes) for tensor in reader.tensors), default=0)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (ValueError, KeyError, IndexError, OSError) as error:
        why = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: not a whole GGUF file ({why}); export it again or fetch it anew") from error
    if not end or end > path.stat().st_size:
        raise UserError(f"{path}: a GGUF file without its tensors; export it again or fetch it anew")
    return reader


def read(path: Path) -> Contents:
    """Read a GGUF file's header and the sizes of its tensors.

    Raises:
        UserError: as `opened` does.
    """
    reader = opened(path)
    count: dict[str, int] = {}
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            kind = tensor.tensor_type.name
            count[kind] = count.get(kind, 0) + int(tensor.n_elements)
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    size = sum(int(tensor.n_bytes) for tensor in reader.tensors)
    total = sum(count.values())
    keys = {key: field.contents() for key, field in reader.fields.items() if len(field.data) < _SHORT}
    return Contents(keys, {kind: n / total for kind, n in count.items()}, 8 * size / weights, weights)
