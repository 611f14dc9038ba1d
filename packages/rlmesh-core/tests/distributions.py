"""What pip leaves behind of an installed package, written by hand."""

from __future__ import annotations


def write_distribution(folder, name, **backends):
    """Write the metadata of a package that has entry points for backends: name=module."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{backend} = {module}\n" for backend, module in backends.items()]
    (info / "entry_points.txt").write_text("".join(["[rlmesh.backends]\n", *lines]))
