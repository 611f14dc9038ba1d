"""All checks of RLMesh; `python3 noxfile.py` lists them, `python3 noxfile.py NAME ...` runs some.

`tests` is everything that CI runs. Only a Python is needed: nox goes into a virtual environment of
its own. Whatever tests our code installs the wheel files that `wheels` has built, never a
distribution of ours by its bare name: the name `rlmesh` on the public index is somebody else's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent
NOX = "2026.2.9"  # the oldest that will do


def run_in_own_nox(arguments: List[str]) -> None:
    """Replace this process by nox from `.nox/bootstrap-...`, which is made where it is missing."""
    venv = ROOT / ".nox" / f"bootstrap-{NOX}"
    python = str(venv / "bin" / "python")
    # virtualenv 21 makes no environments for Python 3.8.
    packages = [f"nox>={NOX}", "virtualenv<21"]
    if not ((venv / "ready").exists() and os.path.exists(python)):
        print(f"Installing nox into {venv}", flush=True)
        make_venv = [sys.executable, "-m", "venv", "--clear", str(venv)]
        pip = [python, "-m", "pip"]
        if subprocess.run(make_venv, stdout=subprocess.DEVNULL).returncode:
            # Debian without python3-venv: no ensurepip, but its pip can install into a venv.
            subprocess.run([*make_venv, "--without-pip"], check=True)
            pip = [sys.executable, "-m", "pip", "--python", python]
        if subprocess.run([*pip, "install", "--quiet", *packages]).returncode:
            sys.exit(
                "nox could not be installed: pip (on Debian: python3-pip) and an index are needed"
            )
        (venv / "ready").touch()
    options = ["--session", *arguments] if arguments else ["--list"]
    os.execv(python, [python, "-m", "nox", "--noxfile", __file__, *options])


if __name__ == "__main__":
    run_in_own_nox(sys.argv[1:])

import nox  # noqa: E402

PYTHONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
MAIN = "3.11"

# A new backend is a row here, a folder packages/rlmesh-NAME, and an extra in packages/rlmesh.
# name: (the Pythons its tests run on, the extras that they need)
BACKENDS = {
    "numpy": (PYTHONS, "bfloat16,images"),
    "torch": ([MAIN], ""),
    "jax": ([MAIN], ""),
}
OURS = ["rlmesh-core", *(f"rlmesh-{name}" for name in BACKENDS), "rlmesh"]
PEER = "rlmesh==0.1.0"  # the public package of that name; nothing but `peer` may install it
VLA_EVAL = "vla-eval==0.8.0"

WHEELS = ROOT / ".nox" / "dist"
TESTING = ["pytest>=8", "pytest-timeout", "pytest-xdist", "hypothesis>=6.113"]
PARALLEL = "--numprocesses=auto"
ENVS = [
    "gymnasium[classic-control,mujoco,toy-text]",
    "ale-py",
    "gym==0.26.2",
    "minigrid",
    "stable-baselines3",
]
# What the groups of tests-integration/public_envs are made of: simulators that cannot share a venv.
PUBLIC_ENVS = {
    "gymnasium": ["gymnasium[classic-control,mujoco,toy-text]", "ale-py", "minigrid"],
    "highway": ["gymnasium", "highway-env"],
    "robotics": ["gymnasium-robotics", "metaworld", "scipy"],
    "panda": ["panda-gym", "gym-pusht", "scipy"],
    "dm-control": ["shimmy[dm-control]", "mujoco<4"],
    "pettingzoo": ["pettingzoo[classic,butterfly]", "gymnasium[box2d]"],
}
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"]

nox.needs_version = f">={NOX}"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # skipped, with a line in the summary


def ours(*requirements: str) -> List[str]:
    """Return pip's arguments for these of ours, e.g. `rlmesh[numpy]`: files from `WHEELS`.

    The files of those that they depend on come along, so that no name is left to the index.
    """
    wanted = list(requirements)
    for requirement in wanted:
        name, _, extras = requirement.rstrip("]").partition("[")
        project = nox.project.load_toml(ROOT / "packages" / name / "pyproject.toml")["project"]
        needed = list(project["dependencies"])
        for extra in filter(None, extras.split(",")):
            needed += project["optional-dependencies"][extra]
        wanted += [line.partition("==")[0] for line in needed if line.startswith("rlmesh")]
    parts = [requirement.partition("[") for requirement in dict.fromkeys(wanted)]
    return [f"{wheel_of(name)}{bracket}{extras}" for name, bracket, extras in parts]


def wheel_of(name: str) -> Path:
    """Return the wheel file of one distribution of ours."""
    (wheel,) = WHEELS.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def install(session: nox.Session, *requirements: str) -> None:
    """Install from the index, or for arguments made by `ours` the files, replacing older builds."""
    session.run("pip", "uninstall", "--yes", "--quiet", *OURS, silent=True)
    session.install(f"--constraint={ROOT / '.ci' / 'constraints.txt'}", *requirements)


def python_of(session: nox.Session, other: str) -> str:
    """Return the Python of another session's venv."""
    return str(Path(session.virtualenv.location).resolve().with_name(other) / "bin" / "python")


def merged_rlmesh(session: nox.Session) -> Path:
    """Return the folder `rlmesh` that our wheels have filled together in the session's venv."""
    (folder,) = Path(session.virtualenv.location).resolve().glob("lib/python*/site-packages/rlmesh")
    return folder


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest on what is installed; a test that hangs fails."""
    session.run("pytest", "--timeout=180", *arguments, *session.posargs)


@nox.session(requires=["wheels", "demo-env"])
def demo(session: nox.Session) -> None:
    """Serve a real env from one venv, evaluate two policies from another, print both results."""
    install(session, *ours("rlmesh[numpy,cli]"))
    env_python = python_of(session, "demo-env")
    session.log(f"model side: {python_of(session, 'demo')}; env side: {env_python}")
    session.run("python", "docs/examples/demo.py", "--env-python", env_python)


@nox.session(
    python=False,
    requires=["wheels", "lint", "types", "docs", "core", *BACKENDS, "install", "integration"],
)
def tests(session: nox.Session) -> None:
    """Everything that CI runs."""
    session.log("every check has passed, or was skipped with a reason; the summary lists them")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution's wheel once; the other sessions install those files."""
    shutil.rmtree(WHEELS, ignore_errors=True)
    folders = [f"./packages/{name}" for name in OURS]
    session.run("pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={WHEELS}", *folders)


@nox.session(python=PYTHONS, requires=["wheels"])
def core(session: nox.Session) -> None:
    """Core's tests, with no array library installed."""
    install(session, *ours("rlmesh-core[cli]"), *TESTING)
    find = "found = [x for x in ('numpy', 'torch', 'jax') if importlib.util.find_spec(x)]"
    session.run("python", "-c", f"import importlib.util; {find}; assert not found, found")
    pytest(session, PARALLEL, "packages/rlmesh-core/tests")


def backend_session(backend: str, pythons: List[str], extras: str) -> None:
    """Define the session that tests one backend."""

    @nox.session(name=backend, python=pythons, requires=["wheels"])
    def run(session: nox.Session) -> None:
        """A backend's tests, with its framework and gymnasium installed."""
        needed = ours("rlmesh-core[cli,gymnasium]", f"rlmesh-{backend}[{extras}]".replace("[]", ""))
        install(session, *needed, *TESTING)
        pytest(session, PARALLEL, f"packages/rlmesh-{backend}/tests")
        if session.python == MAIN:
            # On a source path, doctest puts src/rlmesh on sys.path: our numpy shadows NumPy.
            pytest(session, "--doctest-modules", "--pyargs", "rlmesh")


for _name, _row in BACKENDS.items():
    backend_session(_name, *_row)


@nox.session(name="install", python=MAIN, requires=["wheels"])
def installs(session: nox.Session) -> None:
    """The wheels, their metadata, and every subset of them installed in a throwaway venv."""
    install(session, *TESTING, f"nox>={NOX}", "virtualenv<21", "packaging", "tomli")
    # Whole environments are installed there: no limit to what one test may take.
    session.run("pytest", PARALLEL, "tests-integration/repo", *session.posargs)


@nox.session(python=MAIN, requires=["wheels"])
def integration(session: nox.Session) -> None:
    """All of it together, with real envs, each in separate processes."""
    # SciPy tells what rotations are; the docs' example of a backend is for array-api-strict.
    install(session, *ours("rlmesh[all]"), *TESTING, *ENVS, "scipy", "array-api-strict")
    elsewhere = ("repo", "benchmarks", "fourth_party")
    ignored = [f"--ignore=tests-integration/{part}" for part in elsewhere]
    pytest(session, PARALLEL, "tests-integration", *ignored)


@nox.session(python=MAIN, requires=["wheels"])
@nox.parametrize("group", list(PUBLIC_ENVS), ids=list(PUBLIC_ENVS))
def envs(session: nox.Session, group: str) -> None:
    """A hundred public envs, each served and compared with itself, bit for bit."""
    install(session, *ours("rlmesh[numpy]"), *TESTING, *PUBLIC_ENVS[group])
    tests = "tests-integration/public_envs"
    session.env["RLMESH_ENVS"] = group
    session.env["PYTHONHASHSEED"] = "0"  # FrankaKitchen's info has a set in it
    pytest(session, PARALLEL, tests)


@nox.session(python=MAIN, requires=["wheels"])
def chaos(session: nox.Session) -> None:
    """Runs over connections that break all the time: every kind of run, a thousand faults."""
    install(session, *ours("rlmesh[numpy,gymnasium]"), *TESTING)
    pytest(session, "--numprocesses=4", "-rP", "tests-integration/chaos/full.py")


@nox.session(python=MAIN, requires=["wheels"])
def kills(session: nox.Session) -> None:
    """Runs with a journal, whose processes are killed twenty times each."""
    install(session, *ours("rlmesh[numpy,gymnasium]"), *TESTING)
    pytest(session, "-rP", "--kills=20", "tests-integration/test_killed_runs.py")


@nox.session(python=MAIN, requires=["wheels"])
def soak(session: nox.Session) -> None:
    """Ten minutes at full speed, in which no process may grow, and a warm-up of five."""
    install(session, *ours("rlmesh[numpy,gymnasium]"))
    session.run("python", "tests-integration/chaos/soak.py", *(session.posargs or ["10"]))


@nox.session(python=MAIN, requires=["wheels"])
def fuzz(session: nox.Session) -> None:
    """A million mutated messages for each kind of server; `-- --frames N KIND...` for others."""
    install(session, *ours("rlmesh[numpy]"), "gymnasium", "pytest")
    session.run("python", "tests-integration/fuzzing/fuzz.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: its checks, and its format."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=MAIN, requires=["wheels"])
def types(session: nox.Session) -> None:
    """Mypy (strict) and pyright, on the installed wheels and on the tests' typing assertions."""
    install(session, *ours("rlmesh[all]"), *TESTING, "mypy", "pyright[nodejs]")
    assertions = [str(folder) for folder in sorted(ROOT.glob("packages/*/tests/typing"))]
    session.run("mypy", "--package", "rlmesh")
    if assertions:
        session.run("mypy", *assertions)
    # A config beside the venv's own files, as pyright skips every folder below one with a dot.
    include = [str(merged_rlmesh(session)), *assertions]
    venv = Path(session.virtualenv.location).resolve()
    config = {"include": [os.path.relpath(one, venv) for one in include], "exclude": []}
    (venv / "pyrightconfig.json").write_text(json.dumps(config))
    session.run("pyright", "--project", str(venv))


@nox.session(python=MAIN, requires=["wheels"])
def docs(session: nox.Session) -> None:
    """Build the docs; a warning is an error."""
    install(session, *ours("rlmesh[all]"), *DOCS)
    # The API reference skips any __init__.py that extends its path, which merged wheels need not.
    init = merged_rlmesh(session) / "__init__.py"
    lines = init.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("__path__")]
    init.write_text("".join(kept), encoding="utf-8")
    site = ROOT / ".nox" / "site"
    session.run(
        "mkdocs", "build", "--strict", "--config-file=docs/mkdocs.yml", f"--site-dir={site}"
    )


@nox.session(python=MAIN, requires=["wheels", "peer", "vla-eval"])
def bench(session: nox.Session) -> None:
    """Measure steps, runs, adapters and lanes against the floor, work by hand, and public peers."""
    install(session, *ours("rlmesh[all]"), *ENVS)
    names = {"RLMESH_PEER_PYTHON": "peer", "VLA_EVAL_PYTHON": "vla-eval"}
    pythons = {name: python_of(session, other) for name, other in names.items()}
    for name in ("step", "model_run", "adapter"):
        script = f"tests-integration/benchmarks/{name}.py"
        session.run("python", script, *session.posargs, env=pythons)
    others = [argument for argument in session.posargs if argument != "--tcp"]
    session.run("python", "tests-integration/benchmarks/parallel.py", *others, env=pythons)


@nox.session(python=MAIN)
def peer(session: nox.Session) -> None:
    """A venv for `bench` that holds the public package `rlmesh`, and nothing of ours."""
    session.install(PEER, "numpy", "gymnasium")


@nox.session(name="vla-eval", python=MAIN)
def vla_eval(session: nox.Session) -> None:
    """A venv for `bench` that holds the public package `vla-eval`, and nothing of ours."""
    session.install(VLA_EVAL)


@nox.session(name="demo-env", requires=["wheels"])
def demo_env(session: nox.Session) -> None:
    """A venv for `demo` that holds what the env side needs, and nothing of the model's."""
    install(session, *ours("rlmesh-core[gymnasium]"))
