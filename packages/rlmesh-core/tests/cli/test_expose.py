"""`rlmesh serve --expose`, in real processes."""

from __future__ import annotations

import pytest


def test_what_is_exposed_can_be_used_and_nothing_else(rlmesh):
    from rlmesh import RemoteEnv
    from rlmesh.errors import UnknownAttribute

    _, address = rlmesh.serve("envs:Paced", "--expose", "pace", "--expose", "stop")
    with RemoteEnv(address) as env:
        env.reset(seed=0)
        env.set_attr("pace", 3.0)
        assert env.step(0)[1] == 3.0
        env.call("stop")
        assert env.step(0)[1] == env.get_attr("pace") == 0.0
        with pytest.raises(UnknownAttribute, match=r"serve with expose=\['length'\]"):
            env.get_attr("length")


def test_a_name_that_cannot_be_exposed_is_a_sentence(rlmesh):
    status, out, err = rlmesh.finish(rlmesh.start("serve", "envs:Walk", "--expose", "_private"))
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "expected names of public attributes or methods of the env, got '_private'" in err
