"""The least that reads one ConfigMap with the official client library: import ApiClient, GET, start the command.

    bare_client.py URL CA TOKEN NAME [COMMAND...]

Without a command it stays at rest after the import: what that alone costs in memory.
"""

import os
import signal
import sys

from kubernetes.client import ApiClient, Configuration

if len(sys.argv) == 5:
    os.write(1, b"ready\n")
    while True:
        signal.pause()

url, ca, token, name, *command = sys.argv[1:]
configuration = Configuration(host=url, api_key={"BearerToken": token}, api_key_prefix={"BearerToken": "Bearer"})
configuration.ssl_ca_cert = ca
api = ApiClient(configuration)
path = f"/api/v1/namespaces/default/configmaps/{name}"
request = api.param_serialize("GET", path, header_params={"Accept": "application/json"}, auth_settings=["BearerToken"])
answer = api.call_api(*request)
answer.read()
assert answer.status == 200, answer.data
pid = os.posix_spawnp(command[0], command, os.environ)
os.waitpid(pid, 0)
