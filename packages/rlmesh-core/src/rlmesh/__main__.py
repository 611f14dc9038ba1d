"""`python -m rlmesh`: the `rlmesh` command."""

from __future__ import annotations

from rlmesh._cli import main

if __name__ == "__main__":
    main()
