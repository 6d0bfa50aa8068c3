"""The seam that every answer of a server passes: what is no Elasticsearch, or lets nobody in, becomes one error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, HttpHeaders, TlsError, TransportError, Urllib3HttpNode

from lsh_core.elastic.missing_privileges import access_error
from lsh_core.errors import AccessError, CertificateError, UnsupportedServerError

_PRODUCT = ("x-elastic-product", "Elasticsearch")
_AWAY = frozenset({502, 503, 504})
_LEFT_ALONE = frozenset({413, 429})
_TLS_REMEDIES = (
    (r"Fingerprints did not match", "its certificate has another fingerprint", "Give that of its CA or certificate."),
    (r"certificate has expired|not yet valid", "its certificate has expired, or is not yet valid", "Renew it."),
    (r"Hostname mismatch|IP address mismatch|doesn't match", "its certificate is for another host name",
     "Use an address that the certificate names, or give its fingerprint (AIRLSH_ES_CA_FINGERPRINT)."),
    (r"CERTIFICATE_VERIFY_FAILED", "its certificate is signed by an authority that is not trusted here",
     "Give the PEM file of its CA (AIRLSH_ES_CA_CERTS, or the field CA certificates)."),
    (r"ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)|certificate required",
     "it wants a client certificate", "Give AIRLSH_ES_CLIENT_CERT and AIRLSH_ES_CLIENT_KEY, or the fields."),
    (r"ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+)",
     "it does not take the client certificate", "Give one that its CA has signed (AIRLSH_ES_CLIENT_CERT)."),
    (r"EOF occurred in violation of protocol", "it broke the TLS handshake off, as a server does that wants a client "
     "certificate", "Give AIRLSH_ES_CLIENT_CERT and AIRLSH_ES_CLIENT_KEY, or the fields."),
)  # fmt: skip


class CheckedNode(Urllib3HttpNode):
    """A node whose answers are checked before anybody reads them.

    Raises
    ------
    UnsupportedServerError
        Something other than a supported Elasticsearch answers.
    AccessError
        The server, or a proxy before it, refuses who asks; a `CertificateError` where TLS does.
    """

    def perform_request(self, method: str, target: str, *args: Any, **options: Any) -> Any:
        try:
            answer = super().perform_request(method, target, *args, **options)
        except TlsError as error:
            raise _tls_error(self.base_url, str(error)) from error
        except ConnectionTimeout:
            raise
        except Unreachable as error:
            raise self._explained(error) from error
        genuine = answer.meta.headers.get(_PRODUCT[0]) == _PRODUCT[1]
        if not genuine or answer.meta.status >= 400:
            self._check(method, answer.meta, answer.body or b"", genuine, options.get("headers"))
        return answer

    def _check(self, method: str, meta: Any, raw: bytes, genuine: bool, headers: Mapping[str, str] | None) -> None:
        status, body = meta.status, _json(raw)
        if genuine or (status >= 400 and _is_elastic_error(body)):
            self._check_error(status, body, raw, headers)
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
        raise self._unsupported(*self._identify(what, headers))

    def _check_error(self, status: int, body: Any, raw: bytes, headers: Mapping[str, str] | None) -> None:
        if status in (401, 403) and _kind(body) == "security_exception":
            raise access_error(status, str(body["error"].get("reason", "")))
        if status in (400, 406) and (b"media_type_header" in raw or b"compatible-with" in raw):
            raise self._unsupported(*self._identify("a server that refuses requests of Elasticsearch 9", headers))
        if b"serverless mode" in raw:
            raise self._unsupported(
                "Elasticsearch Serverless", "airlsh needs Elasticsearch 9.4 or later with its nodes"
            )

    def _identify(self, found: str, headers: Mapping[str, str] | None) -> tuple[str, str]:
        """Return what the server calls itself, and what to do."""
        given = {name: value for name, value in (headers or {}).items() if name.lower() == "authorization"}
        asked = HttpHeaders({**given, "accept": "application/json"})
        for path in ("/", "/_nodes/_local?filter_path=nodes.*.version"):
            try:
                answer = super().perform_request("GET", path, headers=asked, request_timeout=5)
            except TransportError:  # What was found first is said then.
                continue
            if named := _named(_json(answer.body or b""), answer.meta.headers.get(_PRODUCT[0]) == _PRODUCT[1]):
                return named
        return found, "this is not Elasticsearch; give the address of an Elasticsearch 9.4 or later"

    def _unsupported(self, found: str, remedy: str) -> UnsupportedServerError:
        return UnsupportedServerError(f"{found} at {self.base_url}", remedy)

    def _explained(self, error: Unreachable) -> Exception:
        """Return what an answer that is no HTTP says, or `error` where nobody answered."""
        text = str(error)
        if match := re.search(r"BadStatusLine\(['\"](.*?)['\"]\)", text):
            return self._unsupported(f"something that does not speak HTTP ({match[1][:60]!r})", "give another address")
        if "certificate required" in text.lower() or "CERTIFICATE_REQUIRED" in text:
            return _tls_error(self.base_url, text)
        if self.scheme == "http" and "Connection aborted" in text and _speaks_tls(self.host, self.port):
            return self._unsupported("a server that wants TLS", "write https:// in the place of http://")
        return error


def _tls_error(url: str, text: str) -> Exception:
    if re.search(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|record layer failure|HTTP_REQUEST", text, re.IGNORECASE):
        found = f"a server that does not speak TLS at {url}"
        return UnsupportedServerError(found, "check host and port; only where no TLS is meant, write http://")
    for pattern, what, remedy in _TLS_REMEDIES:
        if re.search(pattern, text):
            return CertificateError(url, what, remedy)
    return CertificateError(url, f"TLS failed ({text[:200]})", "Check its certificate and the CA file.")


def _named(root: Any, genuine: bool) -> tuple[str, str] | None:
    if not isinstance(root, Mapping):
        return None
    nodes: list[Any] = list(root["nodes"].values()) if isinstance(root.get("nodes"), Mapping) else []
    version: Any = root.get("version") or (nodes[0].get("version") if nodes else None)
    facts: Mapping[str, Any] = version if isinstance(version, Mapping) else {"number": version} if version else {}
    number = str(facts.get("number", "")).strip()
    if not number:
        return None
    if str(facts.get("distribution", "")).lower() == "opensearch":
        return f"OpenSearch {number}", "airlsh needs Elasticsearch 9.4 or later"
    if facts.get("build_flavor") == "serverless":
        return "Elasticsearch Serverless", "airlsh needs Elasticsearch 9.4 or later with nodes of its own"
    if not genuine and number.split(".")[0].isdecimal() and int(number.split(".")[0]) >= 8:
        return (
            f"Elasticsearch {number} behind a proxy that removes the header X-Elastic-Product",
            "let the proxy pass that header",
        )
    return f"Elasticsearch {number}", "airlsh needs 9.4 or later on every node"


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


def _is_elastic_error(body: Any) -> bool:
    return bool(_kind(body)) or (isinstance(body, Mapping) and {"error", "status"} <= body.keys())


def _speaks_tls(host: str, port: int) -> bool:
    import socket
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=2) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False
