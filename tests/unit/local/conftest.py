"""Stand-ins for Java and Elasticsearch: real programs that behave as the real ones do in trouble."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

MODULES = "java.base@{version}.0.1\njava.desktop@{version}.0.1\njdk.incubator.vector@{version}.0.1\n"


def write_program(path: Path, script: str) -> Path:
    """Write a shell script that may be run by everybody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def make_java(open_folder: Path) -> Callable[..., Path]:
    """Make the home of a Java that answers ``--list-modules`` with a text."""

    def make(name: str, listing: str) -> Path:
        home = open_folder / "jvm" / name
        write_program(home / "bin" / "java", f"printf '%s' '{listing}'")
        return home

    return make


@pytest.fixture
def make_elasticsearch(
    open_folder: Path, make_java: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Make an Elasticsearch (and a Java for it) that runs a shell script, and have it found."""

    def make(script: str) -> Path:
        home = open_folder / "elasticsearch-fake"
        write_program(home / "bin" / "elasticsearch", script)
        (home / "config").mkdir(exist_ok=True)
        (home / "config" / "jvm.options").write_text("")
        monkeypatch.setenv("ES_HOME", str(home))
        monkeypatch.setenv("ES_JAVA_HOME", str(make_java("jdk-25", MODULES.format(version=25))))
        return home

    return make


@pytest.fixture
def make_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a ``docker`` that runs a shell script, and have it found; each call is a line of the file returned."""

    def make(script: str) -> Path:
        calls = tmp_path / "docker-calls"
        write_program(tmp_path / "bin" / "docker", f'echo "$*" >> {calls}\n{script}')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        return calls

    return make
