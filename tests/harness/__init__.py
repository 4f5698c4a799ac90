"""Real parts for end-to-end and fault tests: control plane, containerd, the three programs, a link that can break."""
