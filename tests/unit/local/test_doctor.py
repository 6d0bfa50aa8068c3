"""What the doctor says, and that it starts and changes nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lsh_core.local import doctor, java
from lsh_core.local.doctor import check_machine


def by_name(folder: Path) -> dict[str, doctor.Check]:
    return {check.check: check for check in check_machine(folder)}


def test_every_part_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    checks = by_name(tmp_path / "stack")
    assert set(checks) == {"python", "account", "java", "memory", "disk", "cache", "ports", "docker"}
    assert all(check.ok or check.remedy for check in checks.values())
    assert all(check.detail for check in checks.values())
    assert not (tmp_path / "stack").exists()


def test_no_java_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "JVM_FOLDER", tmp_path)
    monkeypatch.setattr(doctor, "find_java", lambda account: java.find_java(account, {"JAVA_HOME": "/nowhere"}))
    check = by_name(tmp_path)["java"]
    assert not check.ok
    assert check.detail == "JAVA_HOME: no bin/java in it"
    assert "ES_JAVA_HOME" in check.remedy


def test_too_little_memory_and_disk_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_memory_bytes", lambda: 2**30)
    monkeypatch.setattr(doctor, "free_disk_bytes", lambda place: 2**20)
    checks = by_name(tmp_path)
    for name in ("memory", "disk", "cache"):
        assert not checks[name].ok
        assert "needed" in checks[name].remedy
    assert checks["memory"].detail == "1,024 MiB available"


def test_a_usual_port_in_use_is_told_but_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(doctor, "DASK_PORT", port)
        check = by_name(tmp_path)["ports"]
    assert check.ok
    assert f"{port}" in check.detail
