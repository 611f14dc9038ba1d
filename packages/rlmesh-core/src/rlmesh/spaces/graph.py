"""`Graph`: nodes, and edges between them."""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Tuple

from rlmesh._values.tensor import Tensor
from rlmesh.errors import InvalidValue

from ._arrays import as_tensor
from ._describe import describe
from ._sampling import pack
from ._seeding import seed_with_parts
from .space import Space, check_space

LINK_DTYPE = "int32"
"""The dtype of `edge_links`; Gymnasium's samples have it."""


class GraphInstance(NamedTuple):
    """A value of a Graph.

    Attributes:
        nodes: The nodes' values, stacked: a tensor of shape `(n, *node_shape)` for a Box.
        edges: The edges' values, stacked; None for a graph without edges.
        edge_links: The indices of the two nodes of each edge: int32, shape `(m, 2)`, or None.
    """

    nodes: Any
    edges: Any
    edge_links: Any


class Graph(Space[GraphInstance]):
    """Graphs whose nodes are values of one space, and whose edges are values of another.

    Args:
        node_space: The space of a node: any whose values stack into arrays.
        edge_space: The space of an edge, likewise; None for graphs that have no edges.
        seed: See `seed`; a sequence has a seed for the sizes and links, for nodes, for edges.

    Raises:
        UnsupportedSpace: One of the spaces is none, or its values do not stack into arrays.
    """

    node_space: Space[Any]
    edge_space: Optional[Space[Any]]
    spec_fields: ClassVar[Mapping[str, Tuple[type, ...]]] = {
        "node_space": (dict,),
        "edge_space": (dict, type(None)),
    }

    def __init__(
        self, node_space: Space[Any], edge_space: Optional[Space[Any]], seed: Any = None
    ) -> None:
        self.node_space = check_space(node_space, "Graph.node_space")
        self.edge_space = (
            None if edge_space is None else check_space(edge_space, "Graph.edge_space")
        )
        for space in self._parts():
            space.batched(1)  # raises where that is not possible
        if seed is not None:
            self.seed(seed)

    def _parts(self) -> List[Space[Any]]:
        return [space for space in (self.node_space, self.edge_space) if space is not None]

    def seed(self, seed: Any = None) -> Tuple[Any, ...]:
        """Seed the sizes and links, the nodes and the edges; return what was seeded."""
        return seed_with_parts(super().seed, self._parts(), seed)

    def sample(self, num_nodes: int = 10, num_edges: Optional[int] = None) -> GraphInstance:
        """Return a random graph.

        Args:
            num_nodes: How many nodes it has.
            num_edges: How many edges it has, if the space has any; by default a random number
                below `num_nodes * (num_nodes - 1)`.
        """
        if num_edges is None:
            num_edges = self.random.randrange(max(1, num_nodes * (num_nodes - 1)))
        nodes = self.node_space.stack_values([self.node_space.sample() for _ in range(num_nodes)])
        if self.edge_space is None or num_edges == 0:
            return GraphInstance(nodes, None, None)
        edges = self.edge_space.stack_values([self.edge_space.sample() for _ in range(num_edges)])
        links = [self.random.randrange(num_nodes) for _ in range(2 * num_edges)]
        return GraphInstance(nodes, edges, pack(links, LINK_DTYPE, (num_edges, 2)))

    def conform(self, value: Any, path: str = "value") -> GraphInstance:
        """Return any GraphInstance, or tuple of three, in its native form.

        Edge links may have any integer dtype.
        """
        if not isinstance(value, tuple) or len(value) != 3:
            raise InvalidValue(f"{path}: expected a GraphInstance, got {describe(value)}")
        nodes, count = _stacked(self.node_space, value[0], f"{path}.nodes")
        if value[1] is None and value[2] is None:
            return GraphInstance(nodes, None, None)
        if self.edge_space is None:
            raise InvalidValue(f"{path}: expected no edges and no edge links, for want of a space")
        if value[1] is None or value[2] is None:
            missing = "edges" if value[1] is None else "edge_links"
            raise InvalidValue(f"{path}.{missing}: expected as many as the others, got None")
        edges, count = _stacked(self.edge_space, value[1], f"{path}.edges")
        return GraphInstance(nodes, edges, _links(value[2], count, f"{path}.edge_links"))

    def violation(self, value: GraphInstance, path: str = "value") -> Optional[str]:
        """Return a sentence about the first node, edge or link out of bounds."""
        count = self.node_space.stacked_length(value.nodes)
        found = self.node_space.batched(count).violation(value.nodes, f"{path}.nodes")
        if found is not None or self.edge_space is None or value.edge_links is None:
            return found
        edges = self.edge_space.batched(len(value.edge_links))
        found = edges.violation(value.edges, f"{path}.edges")
        if found is not None:
            return found
        for i, node in enumerate(value.edge_links.flat()):
            if not 0 <= node < count:
                at = f"{path}.edge_links[{i // 2}, {i % 2}]"
                return f"{at}: expected the index of one of {count} nodes, got {node}"
        return None

    def to_spec(self) -> Dict[str, Any]:
        """Return the space as plain data."""
        edge_space = None if self.edge_space is None else self.edge_space.to_spec()
        return {"type": "Graph", "node_space": self.node_space.to_spec(), "edge_space": edge_space}

    @classmethod
    def from_spec(cls, fields: Mapping[str, Any], read: Callable[[Any], Space[Any]]) -> Graph:
        """Build the space from the fields of its spec."""
        edge_space = fields["edge_space"]
        return cls(read(fields["node_space"]), None if edge_space is None else read(edge_space))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return (self.node_space, self.edge_space) == (other.node_space, other.edge_space)

    def __repr__(self) -> str:
        return f"Graph({self.node_space}, {self.edge_space})"


def _stacked(space: Space[Any], value: Any, path: str) -> Tuple[Any, int]:
    """Return stacked values in their native form, and how many they are."""
    count = space.stacked_length(value, path)
    return space.batched(count).conform(value, path), count


def _links(value: Any, count: int, path: str) -> Tensor:
    """Return the edge links, of any integer dtype, as a tensor of shape `(count, 2)`."""
    try:
        tensor = as_tensor(value)
        if tensor is None:
            return Tensor.from_values(value, LINK_DTYPE, (count, 2))
        if tensor.shape != (count, 2):
            raise InvalidValue(f"shape: expected {(count, 2)}, got {tensor.shape}")
        if tensor.dtype == LINK_DTYPE:
            return tensor
        return Tensor(Tensor.from_values(tensor.flat(), LINK_DTYPE).data, LINK_DTYPE, (count, 2))
    except InvalidValue as exc:
        raise InvalidValue(f"{path}.{exc}") from None
