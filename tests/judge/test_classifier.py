"""A classifier's folder, read before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.judge import classifier


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"base": "tiny", "heads": {"send": 2}}, "train it anew"),
        ({"base_model": "tiny", "heads": {"warmth": 3}, "learnt": []}, "a scorer of warmth; want one of send"),
    ],
)
def test_a_folder_of_another_version_or_of_other_labels_is_refused(
    tmp_path: Path, about: dict[str, Any], says: str
) -> None:
    files.write_json(tmp_path / "adapter_config.json", {})
    files.write_json(tmp_path / classifier.ABOUT, about)
    with pytest.raises(UserError, match=says):
        classifier.check(tmp_path, {"send": 2})
