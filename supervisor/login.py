"""Who we are to the API server: a kubeconfig or a service account → what sends requests there. Used by cluster alone.

Of the client library its configurations and its REST client are imported, without the packages around them: these import the
generated calls, the dynamic client and more, which is two thirds of the time and half of the memory of a run with a cluster.
"""

from __future__ import annotations

import base64
import os
import sys
from contextlib import ExitStack, contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEMORY = "/dev/shm"  # noqa: S108 - what lies there has no name
# What a plugin has given is asked for anew so long before it expires, as the library does.
_EARLY_S = 300.0
# Each source keeps one connection; of more than so many, some are opened again and again.
_SOURCES_MAX = 100
# Packages that import much, and that nothing is taken from but their modules.
_PACKAGES = ("kubernetes", "kubernetes.config", "kubernetes.utils")


class Api:
    """Sends requests to one server as one user."""

    def __init__(self, configuration: Any, tls: Any, expires_at: float) -> None:
        from kubernetes.client.rest import RESTClientObject

        self._configuration = configuration
        self._rest = RESTClientObject(configuration)
        self._rest.pool_manager.connection_pool_kw["ssl_context"] = tls
        self.host = str(configuration.host)
        self.expires_at = expires_at
        """When to log in anew, as a reading of time.time()."""

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
    # An untyped library: from here on its values are Any.
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    configuration.retries = False  # we do that ourselves, with backoff
    configuration.connection_pool_maxsize = _SOURCES_MAX
    configuration.keep_alive = True  # finds a host that vanished without a word
    expires_at = inf
    with ExitStack() as files:
        if kubeconfig is None:
            from kubernetes.config.incluster_config import load_incluster_config

            load_incluster_config(client_configuration=configuration)
        else:
            expires_at = _load(kubeconfig, context, configuration, files)
        tls = _tls(configuration)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    return Api(configuration, tls, expires_at)


def _load(kubeconfig: str, context: str | None, configuration: Any, files: ExitStack) -> float:
    """Load what a kubeconfig says, with `files` that may be closed when they have been read. Returns when that expires.

    Two things are done for the library: it would write embedded certificates and keys to files of which all threads share the
    names, and which stay if we end just then; and of a plugin that fails it would print why, and go on as nobody.
    """
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

    merged = KubeConfigMerger(kubeconfig).config
    if merged is None:
        raise ConfigException(f"there is no {kubeconfig}")
    loader = KubeConfigLoader(merged, context, config_base_path=None)
    names = loader.current_context["context"]
    cluster = merged["clusters"].get_with_name(names["cluster"])["cluster"]
    entry = merged["users"].get_with_name(names.get("user"), safe=True)
    user: Any = entry["user"] if entry else {}
    expires_at = _ask_plugin(user, cluster) if user and "exec" in user else inf
    for node, name in (cluster, "certificate-authority"), (user, "client-certificate"), (user, "client-key"):
        if node and node.safe_get(f"{name}-data"):
            node.value[name] = files.enter_context(_in_memory(node.value.pop(f"{name}-data")))
    loader.load_and_set(configuration)
    return expires_at


def _ask_plugin(user: Any, cluster: Any) -> float:
    """Run the plugin of a user who has no token, and let what it gives take its place. Returns when to ask it again."""
    from datetime import datetime

    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.exec_provider import ExecProvider

    plugin = user["exec"]
    del user.value["exec"]
    if user.safe_get("token") or user.safe_get("tokenFile"):
        return inf
    try:
        given = ExecProvider(plugin, os.path.abspath(os.path.dirname(cluster.path)), cluster).run()
        certificate, key, expires = (
            given.get(name) for name in ("clientCertificateData", "clientKeyData", "expirationTimestamp")
        )
        if given.get("token"):
            user.value["token"] = str(given["token"])
        elif certificate and key:
            user.value["client-certificate-data"] = base64.b64encode(certificate.encode())
            user.value["client-key-data"] = base64.b64encode(key.encode())
        else:
            raise ConfigException("exec: the plugin gives neither a token nor a certificate with its key")
        return datetime.fromisoformat(expires).timestamp() - _EARLY_S if expires else inf
    except OSError as error:
        raise ConfigException(f"exec: {error}") from error
    except (AttributeError, TypeError, ValueError):  # not the error itself: it may hold the answer
        raise ConfigException("exec: the plugin's answer, or what the kubeconfig says of it, is malformed") from None


@contextmanager
def _in_memory(encoded: Any) -> Iterator[str]:
    """The path of a file without a name, in memory if possible: nothing of it stays, whatever happens to us."""
    from tempfile import TemporaryFile

    from kubernetes.config.config_exception import ConfigException

    with TemporaryFile(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as file:
        try:
            file.write(base64.b64decode(encoded))
        except (TypeError, ValueError):
            raise ConfigException("a certificate or key of the kubeconfig is not base64") from None
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


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
