"""The classes from which a backend derives its own: each of them sets `_backend`, and no more.

```python
class Model(ModelBase[MyValue, MyValue]):
    _backend = MyBackend()
```
"""

from __future__ import annotations

from rlmesh._envs.remote import RemoteEnvBase
from rlmesh._envs.remote_vector import RemoteVectorEnvBase
from rlmesh._models.base import ModelBase
from rlmesh._models.remote import RemoteModelBase

__all__ = ["ModelBase", "RemoteEnvBase", "RemoteModelBase", "RemoteVectorEnvBase"]
