"""Who we are to the API server: a kubeconfig or a service account → a client of it. Used by cluster alone."""

from __future__ import annotations

import os
from typing import Any

_MEMORY = "/dev/shm"  # noqa: S108 - the folder below it gets a name that nobody can guess
# Each source keeps one connection; of more than so many, some are opened again and again.
_SOURCES_MAX = 100


def log_in(kubeconfig: str | None, context: str | None) -> Any:
    """A client for the server and user that the configuration names. Certificates and keys are read once, into memory."""
    from tempfile import TemporaryDirectory

    # An untyped library: from here on its values are Any.
    from kubernetes import client
    from kubernetes.config import load_incluster_config, load_kube_config

    configuration = client.Configuration()
    configuration.retries = False  # we do that ourselves, with backoff
    configuration.connection_pool_maxsize = _SOURCES_MAX
    configuration.keep_alive = True  # finds a host that vanished without a word
    if kubeconfig is None:
        load_incluster_config(client_configuration=configuration)
        tls = _tls(configuration)
    else:
        # The library writes embedded certificates and keys to files: in memory if possible, where a read-only root is no
        # obstacle, in a folder of their own that is gone at once.
        with TemporaryDirectory(prefix="config-supervisor-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
            load_kube_config(kubeconfig, context, configuration, persist_config=False, temp_file_path=folder)
            tls = _tls(configuration)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    api = client.ApiClient(configuration)
    api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = tls
    api.user_agent = "config-supervisor"
    return api


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
