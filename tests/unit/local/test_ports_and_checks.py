"""Ports are reserved for one, and what the machine lacks is said in a sentence."""

import os
import socket
import stat
from pathlib import Path

import pytest

from infra.local import checks, ports
from infra.local.checks import check_node, node_major
from infra.local.ports import free_ports, reserve
from infra.local.problems import LocalProblem


def test_a_named_port_that_is_taken_is_named_in_the_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalProblem, match=f"Port {port} of 127.0.0.1 is taken") as error:
            reserve(port)
    assert "--port" in error.value.hint


def test_a_reserved_port_belongs_to_one() -> None:
    with reserve(free_ports(1)[0]) as first:
        with pytest.raises(LocalProblem):
            reserve(first.getsockname()[1])
        assert first.getsockname()[0] == "127.0.0.1"


def test_without_a_named_port_the_next_free_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with reserve(free_ports(1)[0]) as other:
        monkeypatch.setattr(ports, "DEFAULT_PORT", other.getsockname()[1])
        with reserve(0) as found:
            assert found.getsockname()[1] != other.getsockname()[1]


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


@pytest.mark.parametrize(("version", "major"), [("v24.19.0", 24), ("22.0.0", 22), ("", 0), ("node", 0)])
def test_the_major_version_of_node(version: str, major: int) -> None:
    assert node_major(version) == major


def fake_node(folder: Path, version: str) -> None:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_an_old_node_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_node(tmp_path, "v20.1.0")
    monkeypatch.setattr(checks, "tool_path", lambda: f"{tmp_path}{os.pathsep}/bin")
    with pytest.raises(LocalProblem, match=r"Node\.js v20\.1\.0 .* 22 or later") as error:
        check_node()
    assert "make setup" in error.value.hint


def test_no_node_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "tool_path", lambda: str(tmp_path))
    with pytest.raises(LocalProblem, match=r"no Node\.js"):
        check_node()


def test_a_current_node_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_node(tmp_path, "v22.0.0")
    monkeypatch.setattr(checks, "tool_path", lambda: f"{tmp_path}{os.pathsep}/bin")
    check_node()


def test_a_missing_cdk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CDK", tmp_path / "cdk")
    with pytest.raises(LocalProblem, match="CDK is not installed"):
        checks.check_machine()
