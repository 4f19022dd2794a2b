"""Who we are to the API server: a kubeconfig or a service account → what sends requests there. Used by cluster alone.

Of the client library its configurations and its REST client are imported, without the packages around them: these import the
generated calls, the dynamic client and more, which is two thirds of the time and half of the memory of a run with a cluster.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMORY = "/dev/shm"  # noqa: S108 - the folder below it gets a name that nobody can guess
# Each source keeps one connection; of more than so many, some are opened again and again.
_SOURCES_MAX = 100
# Packages that import much, and that nothing is taken from but their modules.
_PACKAGES = ("kubernetes", "kubernetes.config", "kubernetes.utils")


class Api:
    """Sends requests to one server as one user."""

    def __init__(self, configuration: Any, tls: Any) -> None:
        from kubernetes.client.rest import RESTClientObject

        self._configuration = configuration
        self._rest = RESTClientObject(configuration)
        self._rest.pool_manager.connection_pool_kw["ssl_context"] = tls
        self.host = str(configuration.host)

    def send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        headers: dict[str, str],
        body: object,
        timeouts_s: tuple[float, float],
    ) -> Any:
        """Send a request and return urllib3's response, its body unread. The time-outs are for connecting and for silence.

        Raises what the library raises: OpenApiException, urllib3's HTTPError, OSError.
        """
        from urllib.parse import urlencode

        headers = {"User-Agent": "config-supervisor", **headers}
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")  # read anew if it is rotated
        if token:
            headers["Authorization"] = token
        url = f"{self.host}{path}?{urlencode(query)}" if query else f"{self.host}{path}"
        return self._rest.request(method, url, headers=headers, body=body, _request_timeout=timeouts_s).response


def import_narrowly() -> None:
    """Let modules of the client library be imported without what the code of its packages imports: that does not run."""
    from importlib.util import find_spec, module_from_spec

    for name in _PACKAGES:
        spec = find_spec(name) if name not in sys.modules else None
        if spec:
            sys.modules[name] = module_from_spec(spec)


def log_in(kubeconfig: str | None, context: str | None) -> Api:
    """A client for the server and user that the configuration names. Certificates and keys are read once, into memory."""
    from tempfile import TemporaryDirectory

    # An untyped library: from here on its values are Any.
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    configuration.retries = False  # we do that ourselves, with backoff
    configuration.connection_pool_maxsize = _SOURCES_MAX
    configuration.keep_alive = True  # finds a host that vanished without a word
    if kubeconfig is None:
        from kubernetes.config.incluster_config import load_incluster_config

        load_incluster_config(client_configuration=configuration)
        tls = _tls(configuration)
    else:
        from kubernetes.config.kube_config import load_kube_config

        # The library writes embedded certificates and keys to files: in memory if possible, where a read-only root is no
        # obstacle, in a folder of their own that is gone at once.
        with TemporaryDirectory(prefix="config-supervisor-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
            load_kube_config(kubeconfig, context, configuration, persist_config=False, temp_file_path=folder)
            tls = _tls(configuration)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    return Api(configuration, tls)


def _tls(configuration: Any) -> Any:
    """The TLS settings of a configuration. Without X.509 strictness, as Go's clients: many clusters' own CAs need that."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif configuration.ssl_ca_cert:
        context.load_verify_locations(configuration.ssl_ca_cert)
    else:
        context.load_default_certs()
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
