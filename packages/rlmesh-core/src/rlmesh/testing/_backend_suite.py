"""The suite of a backend."""

from __future__ import annotations

from ._batches import BatchPromises
from ._conversion import ConversionPromises
from ._devices import DevicePromises
from ._memory import MemoryPromises
from ._served import ServedPromises


class BackendSuite(
    ConversionPromises, MemoryPromises, BatchPromises, DevicePromises, ServedPromises
):
    """Tests of everything that RLMesh relies on in a backend.

    Derive a class whose name begins with `Test`, and set `backend` and `module`. What the framework
    cannot do is declared in `unsupported` and `narrowed`; what it promises beyond is yours to test.
    """
