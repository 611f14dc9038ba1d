"""Where arrays live."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh.errors import InvalidValue

from ._samples import samples
from ._subject import BackendSubject

NO_DEVICE = "no such device"


class DevicePromises(BackendSubject):
    """`as_device`, and the devices that the other methods take."""

    def test_a_device_is_taken_wherever_arrays_are_made(self, device_name: Any) -> None:
        """What arrives there is the same, and can be sent from there."""
        device = self.backend.as_device(device_name)
        dtype, shape = self.exact_dtypes()[-1], (2, 3, 4)
        (tensor, *_) = samples(dtype, shape, signalling=False)
        array = self.backend.from_tensor(tensor, device)
        imported = self.backend.importer(dtype, shape, device)(bytearray(tensor.data))
        stacked = self.backend.stack([array, imported], device)
        for one in (array, imported, *self.backend.unstack(stacked)):
            assert self.backend.is_array(one)
            assert self.backend.to_tensor(one) == tensor
        assert self.backend.to_tensor(self.backend.stack([1, 2], device)).tolist() == [1, 2]

    def test_a_device_that_is_known_already_stays_the_same(self, device_name: Any) -> None:
        """A user may give the framework's own device objects, too."""
        device = self.backend.as_device(device_name)
        assert self.backend.as_device(device) == device

    def test_an_unknown_device_is_refused_by_name(self) -> None:
        """Before anything is connected or run."""
        with pytest.raises(InvalidValue, match=NO_DEVICE):
            self.backend.as_device(NO_DEVICE)
        with pytest.raises(InvalidValue, match=NO_DEVICE):
            self.module.Model(lambda observation: observation, device=NO_DEVICE)
        with pytest.raises(InvalidValue, match=NO_DEVICE):
            self.module.RemoteEnv("tcp://127.0.0.1:9", device=NO_DEVICE)

    def test_models_and_envs_tell_their_device(self, device_name: Any) -> None:
        """In the framework's own terms."""
        model = self.module.Model(lambda observation: observation, device=device_name)
        assert model.device == self.backend.as_device(device_name)
