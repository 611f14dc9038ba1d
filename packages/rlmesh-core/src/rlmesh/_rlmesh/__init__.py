"""Raises where the files of another project's distribution are mixed with those of this one.

The public distribution `rlmesh` 0.1.0 is another project with the same import name. Installed into
one environment, its files and ours overwrite each other. Its package first imports its extension
module, `rlmesh._rlmesh`; this folder takes precedence over that, so its import ends here, as ours
does.
"""

from __future__ import annotations

import os

if os.path.exists(os.path.join(os.path.dirname(os.path.dirname(__file__)), "_rlmesh.pyi")):
    raise ImportError(
        "two distributions with the import name rlmesh are installed in this environment:"
        " rlmesh-core and another project's rlmesh from the public index. Their files overwrite"
        " each other, so neither works. Uninstall every distribution whose name starts with rlmesh"
        " (pip list shows them), then install the one that you want; for RLMesh that is, in a"
        " checkout: pip install ./packages/rlmesh-core"
    )
