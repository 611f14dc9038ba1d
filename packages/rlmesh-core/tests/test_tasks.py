from __future__ import annotations

import gc
import weakref

import pytest

from rlmesh._tasks import Cancelled, Promise, complete, run_together


class Desk:
    """Settles what tasks ask for, one each time that all of them wait."""

    def __init__(self):
        self.asked = []
        self.log = []

    async def ask(self, name):
        promise = Promise()
        self.asked.append((name, promise))
        return await promise

    def settle(self):
        name, promise = self.asked.pop(0)
        promise.set(name)

    async def task(self, name, count):
        try:
            for _ in range(count):
                self.log.append(await self.ask(name))
        except Cancelled:
            self.log.append(f"{name} cancelled")
            await self.ask(f"{name} cleans up")
            self.log.append(f"{name} clean")
            raise


def test_tasks_take_turns_until_all_have_ended():
    desk = Desk()
    run_together([desk.task("a", 3), desk.task("b", 1), desk.task("c", 0)], desk.settle)
    assert desk.log == ["a", "b", "a", "a"]
    run_together([], desk.settle)


def test_an_error_ends_the_others_which_may_still_wait_for_something():
    desk = Desk()

    async def fail():
        await desk.ask("fail")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_together([desk.task("a", 9), fail(), desk.task("b", 9)], desk.settle)
    # What a cancelled task waited for before is settled later, and changes nothing.
    assert desk.log[0] == "a"
    assert sorted(desk.log[1:]) == ["a cancelled", "a clean", "b cancelled", "b clean"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_interrupts_the_waiting_ends_all(error):
    desk, first = Desk(), [error]

    def wait():
        if first:
            raise first.pop()
        desk.settle()

    with pytest.raises(error):
        run_together([desk.task("a", 9), desk.task("b", 9)], wait)
    assert sorted(desk.log) == ["a cancelled", "a clean", "b cancelled", "b clean"]


def test_a_second_ctrl_c_waits_for_nobody():
    desk = Desk()

    def wait():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_together([desk.task("a", 9)], wait)
    assert desk.log == ["a cancelled"]


def test_the_first_error_is_the_one_that_is_raised():
    async def fail(error):
        raise error

    async def fail_late():
        try:
            await Promise()
        finally:
            raise KeyError

    with pytest.raises(ZeroDivisionError):
        run_together([fail_late(), fail(ZeroDivisionError())], lambda: None)


def test_a_promise_gives_its_value_or_raises_its_error():
    async def get(promise):
        return await promise

    kept, broken = Promise(), Promise()
    kept.set(3)
    broken.fail(KeyError("no"))
    assert complete(get(kept)) == 3
    with pytest.raises(KeyError):
        complete(get(broken))
    with pytest.raises(RuntimeError, match="must not wait"):
        complete(get(Promise()))


def test_a_settled_promise_is_freed_without_the_garbage_collector():
    class Image:
        """What a promise has been for."""

    images = []

    async def look():
        promise = Promise()
        promises.append(promise)
        images.append(weakref.ref(await promise))

    promises = []
    gc.disable()
    try:
        run_together([look(), look()], lambda: promises.pop().set(Image()))
    finally:
        gc.enable()
    assert [image() for image in images] == [None, None]
