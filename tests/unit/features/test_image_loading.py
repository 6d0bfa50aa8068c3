"""Where the bytes of an image may come from, and where not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lsh_core.errors import ImageError, SourceChangedError, SourceError, SourceUnavailableError
from lsh_core.features import image_loading, public_http
from lsh_core.features.image_loading import ImageUnavailableError, Payload, Pointer, load_image
from lsh_core.features.public_http import fetch, is_public, resolve_public, under_roots
from lsh_core.sources.listing import look_up


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.png").write_bytes(b"an image")
    (tmp_path / "secret").write_bytes(b"a secret")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret")
    return tmp_path / "in"


def load(payload: Payload, folder: Path, *places: str) -> bytes:
    return load_image(payload, base=f"{folder}/", places=places or (f"{folder}/",))


def test_bytes_are_themselves_and_paths_start_from_the_source(folder: Path) -> None:
    assert load(b"bytes", folder) == b"bytes"
    assert load(Pointer("deep/a.png"), folder) == b"an image"
    assert load(Pointer(f"{folder}/deep/a.png"), folder) == b"an image"
    assert load(Pointer(f"file://{folder}/deep/a.png"), folder) == b"an image"
    assert load(Pointer(str(folder.parent / "secret")), folder, str(folder.parent)) == b"a secret"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("../secret", "'..' is not allowed"),
        ("/etc/passwd", "outside the allowed places"),
        ("file:///etc/passwd", "outside the allowed places"),
        ("link.png", "outside the allowed places"),
        ("gone.png", "there is no such file"),
        ("deep", "is not a regular file"),
        ("", "is not a regular file"),
        ("deep/a.png::zip://x", "chained URLs"),
        ("memory://secret", "scheme 'memory' is not one of"),
        ("ftp://host/a.png", "scheme 'ftp' is not one of"),
        ("http://127.0.0.1:9/a.png", "outside the allowed places"),
        ("HTTPS://host/a.png", "outside the allowed places"),
        ("a\0b", "null character"),
        ("https://[bad/x.jpg", "is no URL"),
        ("https://host:99999/x.jpg", "is no URL"),
        ("https://host:port/x.jpg", "is no URL"),
        ("a" * 300, "there is no such file"),
    ],
)
def test_what_a_column_may_not_point_to_is_one_bad_image(folder: Path, place: str, said: str) -> None:
    with pytest.raises(ImageError) as refused:
        load(Pointer(place), folder)
    assert said in str(refused.value)


@pytest.mark.parametrize("url", ["https://a..b/x.jpg", f"https://{'a' * 64}.example/x.jpg"])
def test_a_server_that_cannot_be_is_one_bad_image(folder: Path, url: str) -> None:
    with pytest.raises(ImageError, match="is no name of a server") as refused:
        load(Pointer(url), folder, "https://")
    assert not isinstance(refused.value, ImageUnavailableError)


@pytest.mark.parametrize(
    ("place", "later"),
    [
        *(("gone.png", True), ("deep", True), ("https://host/gone.png", True)),
        *(("https://host/huge.png", False), ("link.png", False), ("ftp://host/a", False)),
    ],
)
def test_an_image_that_is_not_there_may_be_there_later(
    folder: Path, place: str, later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(url: str, *_: object) -> tuple[int, None, bytes]:
        if "huge" in url:
            raise SourceError(url, "has more than 7 bytes")
        return 404, None, b""

    monkeypatch.setattr(public_http, "_get", get)
    with pytest.raises(ImageError) as refused:
        load(Pointer(place), folder, str(folder), "https://host/")
    assert isinstance(refused.value, ImageUnavailableError) is later


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    import os

    os.mkfifo(folder / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):
        load(Pointer("pipe.png"), folder)


def test_too_many_bytes_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_loading, "MAX_IMAGE_BYTES", 7)
    listed = look_up(str(folder / "deep" / "a.png"))
    assert listed is not None
    for payload in (Pointer("deep/a.png"), b"an image", listed):
        with pytest.raises(ImageError, match=r"8 bytes, at most 7|more than 7 bytes"):
            load(payload, folder)


def test_a_file_that_changed_since_it_was_listed_ends_the_run(folder: Path) -> None:
    listed = look_up(str(folder / "deep" / "a.png"))
    assert listed is not None
    assert load(listed, folder) == b"an image"
    (folder / "deep" / "a.png").write_bytes(b"AN IMAGE")
    with pytest.raises(SourceChangedError):
        load(listed, folder)
    (folder / "deep" / "a.png").unlink()
    with pytest.raises(SourceChangedError, match="no file"):
        load(listed, folder)


def test_storage_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception] = [SourceUnavailableError("x", "busy"), SourceUnavailableError("x", "busy")]

    def read(url: str) -> bytes:
        if answers:
            raise answers.pop()
        return b"at last"

    monkeypatch.setattr(image_loading, "_read", read)
    monkeypatch.setattr(image_loading, "_PAUSE_SECONDS", 0.0)
    assert load(Pointer("/data/a.png"), Path("/data")) == b"at last"
    answers += [SourceUnavailableError("x", "busy")] * 3
    with pytest.raises(ImageUnavailableError, match="busy"):
        load(Pointer("/data/a.png"), Path("/data"))


@pytest.mark.parametrize(
    ("url", "allowed", "on_any_server"),
    [
        ("https://host/pictures/a.png", True, True),
        ("https://HOST/pictures/a.png", True, True),
        ("https://host/pictures", True, True),
        ("https://host/pictures-of-others/a.png", False, True),
        ("https://host/pictures/../a.png", False, False),
        ("https://host/pictures/%2e%2e/a.png", False, False),
        ("https://host/pictures/%252e%252e/a.png", False, False),
        ("https://host.evil/pictures/a.png", False, True),
        ("https://host@evil/pictures/a.png", False, False),
        ("http://host/pictures/a.png", False, False),
        ("https://host:444/pictures/a.png", False, True),
        ("https:///a.png", False, False),
    ],
)
def test_a_root_on_the_web_is_a_server_and_a_path(url: str, allowed: bool, on_any_server: bool) -> None:
    assert under_roots(url, ["https://host/pictures/"]) is allowed
    assert under_roots(url, ["https://"]) is on_any_server


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
    *("::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::5db8:d70e", "64:ff9b:1:ffff::1"),
    *("::127.0.0.1", "::10.0.0.1", "::", "fec0::1", "feff::1", "fe80::1%eth0"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.215.14")
    assert is_public("64:ff9b::5db8:d70e")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


def test_a_name_with_a_private_address_is_refused() -> None:
    with pytest.raises(SourceError, match="which is not a public one"):
        resolve_public("localhost", 80)
    with pytest.raises(SourceError, match="not a public one"):
        fetch("http://127.0.0.1:9/a.png", ["http://127.0.0.1:9/"], 100)


class _Pictures(BaseHTTPRequestHandler):
    """Answers by the path that is asked for."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        places = {
            "/in/moved": "/in/a.png",
            "/in/away": "http://10.0.0.1/a.png",
            "/in/out": "/out/a.png",
            "/in/odd": "http://[bad/a.png",
            "/in/port": "http://host:99999/a.png",
        }
        if path in places or path == "/in/loop":
            self.send_response(302)
            self.send_header("Location", places.get(path, path))
        elif path == "/in/a.png":
            self.send_response(200)
        else:
            self.send_response(503 if path == "/in/busy" else 404)
        self.end_headers()
        if path == "/in/a.png":
            self.wfile.write(f"{self.headers['Host']} {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pictures) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_the_web_is_asked_at_the_address_that_was_checked(server: ThreadingHTTPServer) -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    site = f"http://pictures.example:{server.server_port}"

    def get(path: str, max_bytes: int = 100) -> bytes:
        return fetch(site + path, [f"{site}/in/"], max_bytes, resolve=resolve)

    host = site.removeprefix("http://")
    assert get("/in/a.png?x=1") == f"{host} /in/a.png?x=1".encode()
    assert get("/in/moved") == f"{host} /in/a.png".encode()
    assert set(asked) == {"pictures.example"}
    for path, said in [
        ("/in/a.png", "more than 5 bytes"),
        ("/in/away", "http://10.0.0.1/a.png: is outside"),
        ("/in/out", "/out/a.png: is outside"),
        ("/in/odd", "leads to .* which is no URL"),
        ("/in/port", "is no URL"),
        ("/in/loop", "more than 5 redirects"),
        ("/in/gone", "status 404"),
    ]:
        with pytest.raises(SourceError, match=said):
            get(path, 5)
    with pytest.raises(SourceError, match="cannot be asked for"):
        fetch(f"http://日本:{server.server_port}/in/a.png", ["http://"], 5, resolve=resolve)
    with pytest.raises(SourceUnavailableError, match="status 503"):
        get("/in/busy")
    server.shutdown()
    server.server_close()
    with pytest.raises(SourceUnavailableError, match="cannot be fetched"):
        get("/in/a.png")


def test_every_address_of_a_server_is_tried_in_the_order_that_the_system_gives(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.14", "8.8.8.8"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **how: [(0, 0, 0, "", (each, 80)) for each in given])
    assert resolve_public("host", 80) == [given[0], given[1], given[3]]
    given.append("10.0.0.1")
    with pytest.raises(SourceError, match=r"has the address 10\.0\.0\.1, which is not a public one"):
        resolve_public("host", 80)
    monkeypatch.undo()
    site = f"http://pictures.example:{server.server_port}/"

    def get(*addresses: str) -> bytes:
        return fetch(f"{site}in/a.png", [site], 100, resolve=lambda host, port: list(addresses))

    assert get("127.0.0.2", "::1", "127.0.0.1").endswith(b"/in/a.png")
    with pytest.raises(SourceUnavailableError, match="cannot be fetched"):
        get("127.0.0.2", "::1")


HEAD = b"HTTP/1.1 200 OK\r\n"
SLOW = {
    "headers": (b"", b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1_000),
    "body": (HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 1_000),
    "body of no known length": (HEAD + b"\r\n", b"x" * 1_000),
    "length of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1_000),
    "greeting": (b"", b"\x16\x03\x03\x10\x00\x02\x00\x0f\xf0" + b"x" * 1_000),
}


@pytest.mark.parametrize("part", SLOW)
def test_a_server_that_sends_a_byte_now_and_then_is_cut_off(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_http, "TOTAL_SECONDS", 0.3)
    first, slowly = SLOW[part]

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(10_000)
            connection.sendall(first)
            for place in range(300):
                connection.sendall(slowly[place : place + 1])
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=[listening], daemon=True)
        serving.start()
        started = time.monotonic()
        site = f"{'https' if part == 'greeting' else 'http'}://slow.example:{listening.getsockname()[1]}/"
        with pytest.raises(SourceUnavailableError, match="did not end within"):
            fetch(f"{site}a.png", [site], 10_000, resolve=lambda host, port: ["127.0.0.1"])
        assert time.monotonic() - started < 2
        serving.join()
