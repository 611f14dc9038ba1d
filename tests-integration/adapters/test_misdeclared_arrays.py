"""What is declared wrongly, and takes arrays to find out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

import rlmesh.adapters as adapt
from rlmesh._values.numpy_bridge import NumpyBridge
from rlmesh.adapters.resolve import check_encodings

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "packages" / "rlmesh-core" / "tests" / "adapters" / "misdeclarations.py"


def load_table() -> Any:
    spec = importlib.util.spec_from_file_location("misdeclarations", TABLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = [case for case in load_table().CASES if case.arrays]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_misdeclared_encoding_is_refused_with_its_message(case: Any) -> None:
    assert case.run() == case.message


def test_a_model_on_numpy_without_bfloat16_is_refused_before_any_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    spec = adapt.ModelSpec(
        {"joints": adapt.State(adapt.JOINT_POS, dtype="bfloat16")},
        adapt.Action(adapt.Actuator(dim=1)),
    )
    tags = adapt.EnvTags({"joints": adapt.StateTag(adapt.JOINT_POS)})
    message = (
        r"^input\['joints'\]\.dtype: expected another than 'bfloat16', got .*pip install ml_dtypes"
    )
    with pytest.raises(adapt.AdapterResolutionError, match=message):
        check_encodings(tags, spec, NumpyBridge())
    check_encodings(tags, spec, None)  # on whose arrays is not known yet
