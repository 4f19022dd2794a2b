"""Two Kubernetes APIs for tests: a stand-in inside the test process, and a real etcd and API server."""
