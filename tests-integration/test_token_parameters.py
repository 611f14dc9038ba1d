"""Every public function that takes a token keeps it out of whatever is shown when it fails."""

from __future__ import annotations

import ast
import inspect
import logging
import secrets
import traceback
import types
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from envs import Countdown
from typer.main import get_command

import rlmesh
import rlmesh.numpy.gym
from rlmesh._cli.app import app
from rlmesh._values.registry import backend_names

SOURCES = Path(__file__).parent.parent / "packages"
NAMESPACES = [rlmesh, rlmesh.numpy.gym, *(getattr(rlmesh, name) for name in backend_names())]


def predict(observation: Any) -> int:
    return 0


MODEL = rlmesh.Model(predict)
ARGUMENTS: Dict[str, Any] = {
    "address": "",
    "env": "",
    "env_address": "",
    "env_or_address": "",
    "env_or_factory": Countdown(),
    "model": MODEL,
    "max_episodes": 1,
}
"""What is given for a parameter that has to be given; an address in place of an empty text."""
TIMEOUTS = ("connect_timeout", "timeout")


class Closed:
    """Has a secret, and shows it nowhere."""

    __slots__ = ("secret",)


def takers() -> Iterator[Tuple[str, Any, Any]]:
    """Yield name, callable and signature of whatever public takes a token."""
    for namespace in NAMESPACES:
        for name in namespace.__all__:
            public = getattr(namespace, name)
            if isinstance(public, types.ModuleType):
                continue
            yield from _taker(f"{namespace.__name__}.{name}", public)
            if inspect.isclass(public):
                for method, function in inspect.getmembers(public, inspect.isfunction):
                    if not method.startswith("_"):
                        owner = _instance(public)
                        bound = getattr(owner, method) if owner is not None else function
                        yield from _taker(f"{namespace.__name__}.{name}.{method}", bound)


def _taker(name: str, function: Any) -> Iterator[Tuple[str, Any, Any]]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    parameters = signature.parameters
    # The classes for Gymnasium pass what they are given on.
    if "token" in parameters or ("options" in parameters and "address" in parameters):
        yield name, function, signature


def _instance(kind: Any) -> Any:
    """Return a model of a class of models, a served one too; None for other classes."""
    if kind.__name__ == "RemoteModel":
        return kind(_served().address)
    return kind(predict) if kind.__name__ == "Model" else None


@lru_cache(maxsize=None)
def _served() -> rlmesh.ModelServer:
    return rlmesh.ModelServer(MODEL).start()


TAKERS = list(takers())


def test_there_are_as_many_as_the_documentation_names() -> None:
    names = {name for name, _, _ in TAKERS}
    for name in ("ping", "stats", "run", "session", "RemoteEnv", "RemoteModel", "Model.serve"):
        assert f"rlmesh.{name}" in names
    for name in ("numpy.RemoteEnv", "numpy.gym.RemoteEnv", "numpy.gym.RemoteVectorEnv"):
        assert f"rlmesh.{name}" in names
    assert {"rlmesh.EnvServer", "rlmesh.ModelServer", "rlmesh.Model.run_local"} <= names


CASES = [
    (name, function, signature, address)
    for name, function, signature in TAKERS
    for address in ("nowhere", "192.0.2.1:1")
    # Where nobody answers, those whose patience is not given here would only take their time.
    if address == "nowhere" or set(TIMEOUTS) & set(signature.parameters)
]


@pytest.mark.parametrize(
    ("function", "signature", "address"),
    [case[1:] for case in CASES],
    ids=[f"{case[0]}-{case[3]}" for case in CASES],
)
def test_no_frame_error_log_or_repr_shows_the_token(
    function: Any, signature: inspect.Signature, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    closed = Closed()
    closed.secret = secrets.token_urlsafe()
    parameters = signature.parameters
    arguments = {
        name: ARGUMENTS[name] or address
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    if "address" in parameters:
        arguments["address"] = address
    arguments.update({name: 0.1 for name in TIMEOUTS if name in parameters})
    shown: List[str] = []
    made: Any = None
    try:
        made = function(**arguments, token=closed.secret)
    except Exception as exc:
        failed = traceback.TracebackException.from_exception(exc, capture_locals=True)
        shown += [*failed.format(), repr(exc), repr(exc.args), str(vars(exc))]
    else:
        raise AssertionError("it did not fail")
    shown += [repr(made), str(made), repr(getattr(made, "__dict__", "")), caplog.text]
    shown += [str(vars(record)) for record in caplog.records]
    found = [text for text in shown if closed.secret in text]
    assert not found, found
    assert "Token(set)" in "".join(shown)


def functions_with_a_token() -> Iterator[Tuple[str, ast.FunctionDef]]:
    for source in sorted(SOURCES.glob("*/src/**/*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.FunctionDef):
                for argument in (*node.args.args, *node.args.kwonlyargs):
                    kind = argument.annotation
                    if argument.arg == "token" and isinstance(kind, ast.Name) and kind.id == "str":
                        yield f"{source.relative_to(SOURCES)}:{node.lineno}", node


def test_a_token_that_is_a_text_becomes_a_token_in_the_first_statement() -> None:
    kept = []
    for where, node in functions_with_a_token():
        body = [one for one in node.body if not isinstance(one, ast.Expr)]
        is_overload = any("overload" in ast.dump(each) for each in node.decorator_list)
        first = ast.unparse(body[0]) if body else ""
        if not is_overload and not first.endswith("token = Token(token)"):
            kept.append((where, first))
    assert not kept, kept


def test_the_command_takes_no_token_among_its_arguments() -> None:
    commands: Any = get_command(app)
    for command in commands.commands.values():
        for parameter in command.params:
            assert not any("token" in option for option in parameter.opts)
