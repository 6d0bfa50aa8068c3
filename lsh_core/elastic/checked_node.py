"""Checks every answer of a server; an unsupported server raises one error."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, HttpHeaders, TlsError, TransportError, Urllib3HttpNode

from lsh_core.elastic.http_exchange import exchange, request_head
from lsh_core.elastic.missing_privileges import SECURITY, access_error
from lsh_core.elastic.supported import OLDEST, is_supported
from lsh_core.elastic.tls import tls_error
from lsh_core.elastic.tls_probe import speaks_tls
from lsh_core.errors import AccessError, SettingsError, UnsupportedServerError

_PRODUCT = ("x-elastic-product", "Elasticsearch")
_AWAY = frozenset({502, 503, 504})
_LEFT_ALONE = frozenset({413, 429})
_SERVERLESS = ("Elasticsearch Serverless", f"airlsh needs Elasticsearch {OLDEST} or later with nodes of its own")
_NO_HANDLER = re.compile(r"no handler found for uri|Incorrect HTTP method for uri")
_REFUSES_MEDIA_TYPE = re.compile(r"Content-Type header \[.*\] is not supported")


class CheckedNode(Urllib3HttpNode):
    """A node that checks each answer before it is returned.

    Raises
    ------
    UnsupportedServerError
        Another server, or an unsupported version, answers.
    AccessError
        The server, or a proxy in front of it, refuses the user. A refusal by TLS is a `CertificateError`.
    SettingsError
        The address has a path under which no Elasticsearch answers.
    """

    def perform_request(self, method: str, target: str, *args: Any, **options: Any) -> Any:
        try:
            answer = super().perform_request(method, target, *args, **options)
        except TlsError as error:
            raise self._tls_error(str(error)) from error
        except ConnectionTimeout:
            raise
        except Unreachable as error:
            raise self._explained(error) from error
        genuine = answer.meta.headers.get(_PRODUCT[0]) == _PRODUCT[1]
        if not genuine or answer.meta.status >= 400:
            self._check(method, answer.meta, answer.body or b"", genuine, options.get("headers"))
        return answer

    def post(self, target: str, body: bytes, headers: Mapping[str, str], seconds: float | None) -> bytes | None:
        """Post `body`; return the body of a good answer by Elasticsearch, None for any other outcome.

        `perform_request` names the failure then, so the request must be idempotent.

        Parameters
        ----------
        seconds
            Time-out; None: that of the node.

        Raises
        ------
        ConnectionTimeout
            The server did not answer in time.
        """
        head = self._heads.get(key := (target, *headers.values()))
        if head is None:
            encoding = {"content-encoding": "gzip"} if self._http_compress else {}
            given = {**self._headers, **headers, **encoding}
            head = self._heads[key] = request_head("POST", self.base_url, target, given)
        if self._http_compress:
            body = gzip.compress(body)
        answer = exchange(self.pool, head, body, self.config.request_timeout if seconds is None else seconds)
        if answer is None or answer.headers.get(_PRODUCT[0].encode()) != _PRODUCT[1].encode():
            return None
        return answer.body

    @cached_property
    def _heads(self) -> dict[tuple[str, ...], bytes]:
        """Heads of requests by target and values of headers."""
        return {}

    def _check(self, method: str, meta: Any, raw: bytes, genuine: bool, headers: Mapping[str, str] | None) -> None:
        status, body = meta.status, _json(raw)
        if genuine or (status >= 400 and _is_elastic_error(body)):
            self._check_error(status, body, headers)
            return
        if status in _LEFT_ALONE or (method == "HEAD" and status == 404):
            return
        what = f"{_page(meta.headers, raw)} (status {status})"
        if "kbn-name" in meta.headers or "kbn-license-sig" in meta.headers:
            raise self._unsupported("Kibana", "give the address of Elasticsearch, usually port 9200")
        if status in _AWAY:
            reason = f"{self.base_url}: {what}: a proxy that cannot reach Elasticsearch"
            raise Unreachable(reason)
        if status in (401, 403, 407) and "opensearch" not in str(meta.headers.get("www-authenticate", "")).lower():
            raise AccessError(
                status, f"{self.base_url} answers with {what}: a proxy or login page before Elasticsearch"
            )
        if 300 <= status < 400:
            place = str(meta.headers.get("location", "another place"))
            raise self._unsupported(f"a redirect to {place}", "it is not followed; give the address it leads to")
        named = self._identify(what, headers)
        if named is None:
            reason = f"{self.base_url}: {what}: a proxy answered in the place of Elasticsearch"
            raise Unreachable(reason)
        raise self._unsupported(*named)

    def _check_error(self, status: int, body: Any, headers: Mapping[str, str] | None) -> None:
        kind = _kind(body)
        if status in (401, 403) and kind == SECURITY:
            raise access_error(status, _reason(body))
        if self.path_prefix and _NO_HANDLER.match(_reason(body)):
            host = self.base_url.removesuffix(self.path_prefix)
            reason = f"has the path {self.path_prefix}, which leads to no Elasticsearch: give {host} alone"
            raise SettingsError("es", self.base_url, f"{reason}; the name of an index is no part of the address")
        if kind == "media_type_header_exception" or (status == 406 and _REFUSES_MEDIA_TYPE.match(_reason(body))):
            named = self._identify("a server that refuses requests of Elasticsearch 9", headers)
            if named is not None:
                raise self._unsupported(*named)
        if kind == "api_not_available_exception" and _reason(body).endswith("serverless mode"):
            raise self._unsupported(*_SERVERLESS)

    def _identify(self, found: str, headers: Mapping[str, str] | None) -> tuple[str, str] | None:
        """Return the name of the server and a remedy; None for a supported Elasticsearch."""
        given = {name: value for name, value in (headers or {}).items() if name.lower() == "authorization"}
        asked = HttpHeaders({**given, "accept": "application/json"})
        for path in ("/", "/_nodes/_local?filter_path=nodes.*.version"):
            try:
                answer = super().perform_request("GET", path, headers=asked, request_timeout=5)
            except TransportError:  # The first finding is reported then.
                continue
            root, genuine = _json(answer.body or b""), answer.meta.headers.get(_PRODUCT[0]) == _PRODUCT[1]
            if version := _version(root):
                return _named(version, genuine)
        return found, f"this is not Elasticsearch; give the address of an Elasticsearch {OLDEST} or later"

    def _unsupported(self, found: str, remedy: str) -> UnsupportedServerError:
        return UnsupportedServerError(f"{found} at {self.base_url}", remedy)

    def _tls_error(self, text: str) -> Exception:
        return tls_error(self.base_url, text, self.host, self.port, self.pool.conn_kw.get("ssl_context"))

    def _explained(self, error: Unreachable) -> Exception:
        """Return the error for an answer that is not HTTP, or `error` without an answer."""
        text = str(error)
        if match := re.search(r"BadStatusLine\(['\"](.*?)['\"]\)", text):
            return self._unsupported(f"something that does not speak HTTP ({match[1][:60]!r})", "give another address")
        if "certificate required" in text.lower() or "CERTIFICATE_REQUIRED" in text:
            return self._tls_error(text)
        if self.scheme == "http" and "Connection aborted" in text and speaks_tls(self.host, self.port):
            return self._unsupported("a server that wants TLS", "write https:// in the place of http://")
        return error


def _version(root: Any) -> Mapping[str, Any] | None:
    """Return the version in an answer of the root or about a node, or None."""
    if not isinstance(root, Mapping):
        return None
    nodes: list[Any] = list(root["nodes"].values()) if isinstance(root.get("nodes"), Mapping) else []
    version: Any = root.get("version") or (nodes[0].get("version") if nodes else None)
    facts: Mapping[str, Any] = version if isinstance(version, Mapping) else {"number": version}
    return facts if str(facts.get("number") or "").strip() else None


def _named(version: Mapping[str, Any], genuine: bool) -> tuple[str, str] | None:
    """Return the name of an unsupported server and a remedy; None for a supported server."""
    number = str(version["number"]).strip()
    if str(version.get("distribution", "")).lower() == "opensearch":
        return f"OpenSearch {number}", f"airlsh needs Elasticsearch {OLDEST} or later"
    if version.get("build_flavor") == "serverless":
        return _SERVERLESS
    if not genuine and number.split(".")[0].isdecimal() and int(number.split(".")[0]) >= 8:
        return (
            f"Elasticsearch {number} behind a proxy that removes the header X-Elastic-Product",
            "let the proxy pass that header",
        )
    if genuine and is_supported(number):
        return None
    return f"Elasticsearch {number}", f"airlsh needs {OLDEST} or later on every node"


def _page(headers: Mapping[str, str], raw: bytes) -> str:
    kind = str(headers.get("content-type", "no content type")).partition(";")[0]
    title = re.search(rb"<title>\s*(.*?)\s*</title>", raw[:4096], re.IGNORECASE | re.DOTALL)
    what = f"a web page {title[1].decode(errors='replace')[:60]!r}" if title else f"an answer of type {kind}"
    return f"{what} from {headers['server']}" if "server" in headers else what


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _kind(body: Any) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    return str(error.get("type", "")) if isinstance(error, Mapping) else ""


def _reason(body: Any) -> str:
    error = body.get("error") if isinstance(body, Mapping) else None
    return str(error.get("reason", "") if isinstance(error, Mapping) else error)


def _is_elastic_error(body: Any) -> bool:
    """Return whether a body is an error in the form of Elasticsearch.

    Other servers add keys, such as a time.
    """
    if not isinstance(body, Mapping) or body.keys() != {"error", "status"}:
        return False
    return bool(_kind(body)) or isinstance(body["error"], str)
