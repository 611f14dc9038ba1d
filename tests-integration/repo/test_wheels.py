"""What the wheels hold, read from the files that the session `wheels` has built."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def contents(noxfile: Any) -> Dict[str, List[str]]:
    """The paths in each wheel, by the name of its distribution; without its metadata."""
    names = {name: ZipFile(noxfile.wheel_of(name)).namelist() for name in noxfile.OURS}
    return {
        name: [path for path in paths if ".dist-info/" not in path] for name, paths in names.items()
    }


def test_no_path_is_in_two_wheels(contents: Dict[str, List[str]]) -> None:
    count = Counter(path for paths in contents.values() for path in paths)
    assert [path for path, times in count.items() if times > 1] == []


def test_core_and_each_backend_hold_their_own_package_typed(
    contents: Dict[str, List[str]],
) -> None:
    for name, paths in contents.items():
        package = name.replace("rlmesh-core", "rlmesh").replace("-", "/") + "/"
        if name != "rlmesh":
            assert {f"{package}__init__.py", f"{package}py.typed"} <= set(paths), name
            assert [path for path in paths if not path.startswith(package)] == []


def test_the_metapackage_holds_nothing(contents: Dict[str, List[str]]) -> None:
    assert contents["rlmesh"] == []


def test_no_wheel_holds_tests_or_caches(contents: Dict[str, List[str]]) -> None:
    for paths in contents.values():
        assert [path for path in paths if "/tests/" in path or path.endswith(".pyc")] == []
