"""The wheel: what it carries, and that it works away from the checkout."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa

from profile_store import schema

CHECKOUT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # the build system is fetched where it is not installed
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    pip("wheel", str(CHECKOUT), "--no-deps", "--wheel-dir", str(folder), *isolation)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> Run:
    """Run Python away from the checkout, with the packages of the wheel before all others."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(installed),
                "PROFILE_STORE_URL": f"sqlite:///{tmp_path}/profiles.db",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def modules(package: str) -> set[str]:
    return {
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / package).rglob("*.py")
        if "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("package", ["coexistence", "profile_store"])
def test_each_package_is_in_it_whole_and_typed(package: str, contents: set[str]) -> None:
    assert modules(package) <= contents
    assert f"{package}/py.typed" in contents


def test_the_migrations_are_in_it(contents: set[str]) -> None:
    expected = {f"profile_store/{name}" for name in modules("migrations")}
    assert f"profile_store/migrations/versions/{schema.REVISION}_profiles.py" in expected
    assert expected <= contents


def test_nothing_else_is_in_it(contents: set[str]) -> None:
    # above all no `actions`: every Rasa project has a folder of that name
    folders = {name.split("/")[0] for name in contents}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "coexistence",
        "profile_store",
    }
    assert not [name for name in contents if "__pycache__" in name or name.endswith(".db")]


def test_the_licence_is_in_it(wheel: Path, contents: set[str]) -> None:
    (licence,) = [name for name in contents if name.endswith(".dist-info/licenses/LICENSE")]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licence) == (CHECKOUT / "LICENSE").read_bytes()
        metadata = email.message_from_bytes(
            archive.read(licence.replace("licenses/LICENSE", "METADATA"))
        )
    assert metadata["License-Expression"] == "Apache-2.0"


def test_its_packages_are_imported_from_it(python: Run, installed: Path) -> None:
    printed = python(
        "-c",
        "import coexistence, profile_store\n"
        "from profile_store import migrate\n"
        "print(coexistence.__file__, profile_store.__file__, migrate.script_location())",
    )
    for path in printed.stdout.split():
        assert Path(path).is_relative_to(installed)


def test_its_kit_is_run_from_it(python: Run, installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_mine.py").write_text(
        "from profile_store import SQLProfileStore, StoreSettings, conformance\n\n"
        "class TestMine(conformance.StoreConformance):\n"
        "    def open_store(self, database, **limits):\n"
        f"        assert conformance.__file__.startswith({str(installed)!r})\n"
        "        return SQLProfileStore(StoreSettings(db=f'{database}/p.db', **limits))\n"
    )
    ran = python("-m", "pytest", "-q", "-p", "no:asyncio", "-k", "Mine and (fetched or erased)")
    assert re.search(r"^\d+ passed, \d+ deselected in", ran.stdout, re.MULTILINE), ran.stdout


def test_the_kit_has_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    wanted = " ".join(need for need in metadata.get_all("Requires-Dist", []) if "testing" in need)
    assert "pytest" in wanted
    assert "hypothesis" in wanted


def test_its_command_migrates_from_inside_it(python: Run, tmp_path: Path) -> None:
    coexist = ["-c", "from coexistence.cli import main; main()"]
    assert python(*coexist, "db", "upgrade").stdout == (
        f"sqlite:///{tmp_path}/profiles.db is at version {schema.REVISION}.\n"
    )
    assert python(*coexist, "db", "current").stdout.endswith(" is current.\n")
    database = sa.create_engine(f"sqlite:///{tmp_path}/profiles.db", poolclass=sa.NullPool)
    assert set(schema.metadata.tables) <= set(sa.inspect(database).get_table_names())
