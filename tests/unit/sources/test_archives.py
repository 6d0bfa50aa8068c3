"""Archives that claim more than they are."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from lsh_core.errors import SourceError
from lsh_core.sources.archives import archive_members

END = bytes(2 * tarfile.BLOCKSIZE)


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("././@header" if kind != tarfile.REGTYPE else "a.png")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("place", ["first", "later"])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_claims_gigabytes_is_not_read(kind: bytes, name: str, place: str, tmp_path: Path) -> None:
    before = header(tarfile.REGTYPE, 0) if place == "later" else b""
    content = before + header(kind, 5 * 2**30) + END
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(SourceError, match=r"has a header of 5,368,709,120 bytes, at most 1,048,576 are read"):
        list(archive_members(str(tmp_path / name)))


def test_a_long_name_is_read(tmp_path: Path) -> None:
    name = "/".join(["folder" * 20] * 30) + "/a.png"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=form) as tarred:
            tarred.addfile(tarfile.TarInfo(name))
        assert [member.name for member in archive_members(str(tmp_path / "a.tar.gz"))] == [name]


def test_headers_of_headers_without_end_are_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(header(tarfile.XGLTYPE, 0) * 3_000 + END)
    with pytest.raises(SourceError, match="cannot be read as an archive"):
        list(archive_members(str(tmp_path / "a.tar")))
