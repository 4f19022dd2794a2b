"""Tell the app by an HTTP request."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from supervisor.errors import Refused, Unreachable

if TYPE_CHECKING:
    from supervisor.model import Revision
    from supervisor.settings import HttpSettings

_BODY_BYTES_MAX = 64 * 2**10


class ByHttp:
    """Sends one request; any 2xx is a yes. Proxies of the environment are not used, redirects are not followed."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._url = urlsplit(settings.url)
        self._target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")

    def deliver(self, revision: Revision) -> None:
        """Send the request. An answer that is no 2xx is the app's no; no answer at all is worth another try."""
        url, method = self._settings.url, self._settings.method
        connection = self._connection()
        try:
            connection.request(method, self._target, headers={"User-Agent": "config-supervisor", "Content-Length": "0"})
            answer = connection.getresponse()
            answer.read(_BODY_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {url}: {str(error) or type(error).__name__}") from error
        finally:
            connection.close()
        if 300 <= answer.status < 400:
            raise Refused(f"{method} {url} answers {answer.status}: redirects are not followed, give the final URL")
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {url} answers {answer.status} {answer.reason}")

    def _connection(self) -> http.client.HTTPConnection:
        host, port, timeout_s = self._url.hostname or "", self._url.port, self._settings.timeout_s
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
