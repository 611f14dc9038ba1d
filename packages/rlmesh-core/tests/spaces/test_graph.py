from __future__ import annotations

import array

import pytest

from rlmesh import Tensor
from rlmesh.errors import InvalidValue
from rlmesh.spaces import Box, Dict, Discrete, Graph, GraphInstance

PLAIN = Graph(Box(0, 1, (2,)), None)
LINKED = Graph(Box(0, 1, (2,)), Discrete(3))
NODES = [[0, 1], [1, 0], [0, 0]]


def test_values_are_stacked_nodes_and_edges_with_links():
    value = LINKED.conform((NODES, [0, 2], [[0, 1], [2, 2]]))
    assert type(value) is GraphInstance
    assert value.nodes == Tensor.from_values(NODES, "float32")
    assert value.edges == Tensor.from_values([0, 2], "int64")
    assert value.edge_links == Tensor.from_values([[0, 1], [2, 2]], "int32")
    assert value in LINKED


def test_a_graph_may_have_no_edges_and_no_nodes():
    assert (NODES, None, None) in PLAIN
    assert (NODES, None, None) in LINKED
    assert (NODES, [], Tensor(b"", "int32", (0, 2))) in LINKED
    assert (Tensor(b"", "float32", (0, 2)), None, None) in LINKED


def test_samples_have_as_many_nodes_and_edges_as_asked_for():
    LINKED.seed(1)
    assert LINKED.sample().nodes.shape == (10, 2)
    value = LINKED.sample(num_nodes=3, num_edges=5)
    assert (value.nodes.shape, value.edges.shape) == ((3, 2), (5,))
    assert (value.edge_links.shape, value.edge_links.dtype) == ((5, 2), "int32")
    assert LINKED.sample(num_edges=0).edges is None
    assert LINKED.sample(num_nodes=1).edges is None
    assert PLAIN.sample().edge_links is None


def test_nodes_may_be_of_any_space_that_stacks():
    space = Graph(Dict(x=Box(0, 1, (2,)), n=Discrete(3)), Dict(w=Box(0, 1, ())), seed=1)
    value = space.sample(num_nodes=3, num_edges=2)
    assert (value.nodes["x"].shape, value.edges["w"].shape) == ((3, 2), (2,))
    assert value in space


@pytest.mark.parametrize("code", ["b", "B", "i", "q", "Q"])
def test_links_may_have_any_integer_dtype(code):
    links = memoryview(array.array(code, [0, 1, 2, 2])).cast("B").cast(code, (2, 2))
    value = LINKED.conform((NODES, [0, 2], links))
    assert value.edge_links == Tensor.from_values([[0, 1], [2, 2]], "int32")


@pytest.mark.parametrize(
    ("space", "value", "message"),
    [
        (PLAIN, NODES, "obs: expected a GraphInstance, got [[0, 1], [1, 0], [0, 0]] (list)"),
        (PLAIN, ([[0]], None, None), "obs.nodes.shape: expected (1, 2), got (1, 1)"),
        (PLAIN, (None, None, None), "obs.nodes: expected an array of stacked values, got None"),
        (PLAIN, (NODES, [0], [[0, 1]]), "obs: expected no edges and no edge links"),
        (LINKED, (NODES, [0], None), "obs.edge_links: expected as many as the others, got None"),
        (LINKED, (NODES, None, [[0, 1]]), "obs.edges: expected as many as the others, got None"),
        (
            LINKED,
            (NODES, [0], [[0, 1], [1, 2]]),
            "obs.edge_links.shape: expected (1, 2), got",
        ),
        (LINKED, (NODES, [0], [[0, 1.0]]), "obs.edge_links.dtype: expected integers for int32"),
        (LINKED, (NODES, [0], [[0, 2**31]]), "obs.edge_links.dtype: a value does not fit int32"),
        (LINKED, (NODES, ["x"], [[0, 1]]), "obs.edges.dtype: expected integers for int64, got 'x'"),
    ],
)
def test_a_misfit_is_named_with_its_path(space, value, message):
    with pytest.raises(InvalidValue) as caught:
        space.conform(value, "obs")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (([[0, 2]], None, None), "obs.nodes[0, 1]: expected within [0.0, 1.0], got 2.0"),
        ((NODES, [0, 3], [[0, 0], [0, 0]]), "obs.edges[1]: expected within [0, 2], got 3"),
        (
            (NODES, [0, 1], [[0, 0], [1, 3]]),
            "obs.edge_links[1, 1]: expected the index of one of 3 nodes, got 3",
        ),
        (
            (NODES, [0], [[-1, 0]]),
            "obs.edge_links[0, 0]: expected the index of one of 3 nodes, got -1",
        ),
    ],
)
def test_the_first_part_out_of_bounds_is_named_with_its_path(value, sentence):
    assert LINKED.violation(LINKED.conform(value), "obs") == sentence


def test_repr_and_equality_tell_the_spaces():
    assert repr(LINKED) == "Graph(Box(0.0, 1.0, (2,), float32), Discrete(3))"
    assert Graph(Box(0, 1, (2,)), Discrete(3)) == LINKED
    assert LINKED != PLAIN
