"""Which Java is taken, and what is said where none fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsh_core.errors import StackError
from lsh_core.local import java
from lsh_core.local.java import Java, find_java, inspect_java, parse_modules, require_java

WITH_VECTORS = "java.base@{0}\njdk.incubator.vector@{0}\n"
MakeJava = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_other_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(java, "JVM_FOLDER", tmp_path / "none")


@pytest.mark.parametrize(
    ("listing", "version"),
    [
        ("java.base@25.0.3\njava.sql@25.0.3\n", 25),
        ("java.base@21\n", 21),
        ("java.base@26-ea\n", 26),
        ("java.base@17.0.15\njdk.incubator.vector@17.0.15\n", 17),
    ],
)
def test_the_version_is_that_of_the_base_module(listing: str, version: int) -> None:
    parsed = parse_modules(listing)
    assert parsed is not None
    assert parsed[0] == version
    assert "java.base" in parsed[1]


def test_modules_are_read_with_and_without_a_version() -> None:
    parsed = parse_modules("java.base@25.0.3\njdk.incubator.vector\nnot a module line\n")
    assert parsed == (25, frozenset({"java.base", "jdk.incubator.vector"}))


@pytest.mark.parametrize("listing", ["", "Unrecognized option: --list-modules\n", "xjava.base@25\n"])
def test_what_is_no_list_of_modules_is_no_java(listing: str) -> None:
    assert parse_modules(listing) is None


def test_the_first_that_fits_is_taken_and_its_name_does_not_count(make_java: MakeJava) -> None:
    old = make_java("jdk-25", WITH_VECTORS.format("17.0.1"))
    new = make_java("jdk-8", WITH_VECTORS.format("24.0.1"))
    newer = make_java("newer", WITH_VECTORS.format("25.0.1"))
    environment = {"ES_JAVA_HOME": str(old), "JAVA_HOME": str(new), "PATH": str(newer / "bin")}
    found, refused = find_java(environment=environment)
    assert found is not None
    assert (found.home, found.version) == (new, 24)
    assert refused == ["ES_JAVA_HOME: version 17, 21 or newer is needed"]


def test_java_on_the_path_is_looked_at_last(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = make_java("path/jdk", WITH_VECTORS.format("25"))
    in_folder = make_java("folder/jdk", WITH_VECTORS.format("22"))
    environment = {"PATH": str(on_path / "bin")}
    found, _ = find_java(environment=environment)
    assert found is not None
    assert found.home == on_path
    monkeypatch.setattr(java, "JVM_FOLDER", in_folder.parent)
    found, _ = find_java(environment=environment)
    assert found is not None
    assert found.home == in_folder


def test_a_java_without_the_vector_module_is_refused() -> None:
    reason = Java(Path("/jdk"), 25, frozenset({"java.base"})).unfit()
    assert reason is not None
    assert "jdk.incubator.vector" in reason


def test_a_broken_java_is_refused_with_its_exit_code(open_folder: Path) -> None:
    binary = open_folder / "bin" / "java"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\nexit 3\n")
    binary.chmod(0o755)
    assert inspect_java(open_folder) == "older than Java 9, or broken (it ended with 3)"
    binary.chmod(0o644)
    assert inspect_java(open_folder) == "not to be run"
    binary.unlink()
    assert inspect_java(open_folder) == "no bin/java in it"


def test_no_java_anywhere_is_one_message_with_all_that_was_looked_at(
    make_java: MakeJava, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot_fetch(account: object) -> Java:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(java, "fetch_java", cannot_fetch)
    monkeypatch.setenv("ES_JAVA_HOME", str(make_java("old", WITH_VECTORS.format("17"))))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError) as caught:
        require_java()
    message = str(caught.value)
    assert "ES_JAVA_HOME: version 17, 21 or newer is needed" in message
    assert "no route to host" in message
    assert "Install a JDK" in message
