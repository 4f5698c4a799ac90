"""A real Mainflux 0.12 on free ports of the loopback: its four services with PostgreSQL, Redis, NATS and mosquitto.

    with Mainflux(directory) as server:
        token = server.login()

As a program: `python3 -m tests.harness.mainflux DIRECTORY` brings one up, prints where it answers and its processes as one line of
JSON, and ends it when its standard input ends.
"""

import json
import pathlib
import signal
import socket
import subprocess
import sys

from tests.harness.iot_server import ask
from tests.harness.kubernetes import ROOT
from tests.harness.ports import free_ports
from tests.harness.postgres import USER, accepts_logins, make_database, server_command
from tests.harness.process import Program
from tests.harness.waiting import wait_until

PASSWORD = "mainflux"
ADMIN = ("admin@example.com", "12345678")
# Four services make their tables at once; on a busy machine that takes a while.
PATIENCE = 400
PORTS = ("postgres", "redis", "nats", "broker", "auth", "auth_grpc", "users", "things", "identify", "things_grpc", "mqtt", "mqtt_ws")


class Mainflux:
    """`ports` names what listens where: users, things, auth and identify speak HTTP, mqtt is where gateways publish."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.programs = {}

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *_):
        self.down()

    def up(self):
        built = subprocess.run([ROOT / "tests/mainflux/build.sh"], check=True, capture_output=True, text=True).stdout.strip()
        self.directory.chmod(0o755)
        make_database(self.directory / "postgres", PASSWORD, ["auth", "users", "things"])
        self._start_dependencies()
        for name in ("postgres", "redis", "nats", "broker"):
            wait_until(f"{name} listens", lambda name=name: self._listens(name), timeout=PATIENCE)
        wait_until("postgres accepts logins", lambda: accepts_logins(self.ports["postgres"]), timeout=PATIENCE)
        # One after the other: who does not find the others' gRPC at once tries again after a second or more, and refuses everybody until then.
        for name, grpc in (("auth", "auth_grpc"), ("users", None), ("things", "things_grpc")):
            self.add(name, [f"{built}/{name}"], self._environment())
            wait_until(f"{name} answers", lambda name=name: self._answers(name), timeout=PATIENCE)
            if grpc:
                wait_until(f"{name} answers the others", lambda port=grpc: self._accepts(port), timeout=PATIENCE)
        self.add("mqtt", [f"{built}/mqtt"], self._environment())
        wait_until("the MQTT adapter listens", lambda: self._listens("mqtt"), timeout=PATIENCE)
        wait_until("the administrator can log in", self.login, timeout=PATIENCE)
        wait_until("things takes whom auth knows", lambda: self.request("things", "GET", "/things?limit=1", None, self.login())[0] == 200,
                   timeout=PATIENCE)
        return self

    def _start_dependencies(self):
        ports = self.ports
        broker = self.directory / "mosquitto.conf"
        broker.write_text(f"listener {ports['broker']} 127.0.0.1\nallow_anonymous true\nuser root\n")
        database = server_command(self.directory / "postgres", ports["postgres"])
        if USER:
            database = ["setpriv", f"--reuid={USER['user']}", f"--regid={USER['group']}", "--clear-groups", *database]
        self.add("postgres", ["env", "-C", "/", *database])
        self.add("redis", ["redis-server", "--port", ports["redis"], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                           "--dir", self.directory])
        self.add("nats", ["nats-server", "-a", "127.0.0.1", "-p", ports["nats"]])
        self.add("broker", ["mosquitto", "-c", broker])

    def _environment(self):
        ports = {name: str(port) for name, port in self.ports.items()}
        environment = {
            "MF_AUTH_HTTP_PORT": ports["auth"], "MF_AUTH_GRPC_PORT": ports["auth_grpc"], "MF_AUTH_SECRET": "secret",
            "MF_AUTH_GRPC_URL": f"localhost:{ports['auth_grpc']}", "MF_AUTH_GRPC_TIMEOUT": "60s",
            "MF_THINGS_AUTH_GRPC_TIMEOUT": "60s", "MF_USERS_HTTP_PORT": ports["users"],
            "MF_USERS_ADMIN_EMAIL": ADMIN[0], "MF_USERS_ADMIN_PASSWORD": ADMIN[1],
            "MF_THINGS_HTTP_PORT": ports["things"], "MF_THINGS_AUTH_HTTP_PORT": ports["identify"],
            "MF_THINGS_AUTH_GRPC_PORT": ports["things_grpc"], "MF_THINGS_AUTH_GRPC_URL": f"localhost:{ports['things_grpc']}",
            "MF_THINGS_CACHE_URL": f"localhost:{ports['redis']}", "MF_THINGS_ES_URL": f"localhost:{ports['redis']}",
            "MF_MQTT_ADAPTER_MQTT_PORT": ports["mqtt"], "MF_MQTT_ADAPTER_WS_PORT": ports["mqtt_ws"],
            "MF_MQTT_ADAPTER_MQTT_TARGET_PORT": ports["broker"], "MF_NATS_URL": f"nats://127.0.0.1:{ports['nats']}",
            "MF_MQTT_ADAPTER_ES_URL": f"localhost:{ports['redis']}", "MF_AUTH_CACHE_URL": f"localhost:{ports['redis']}"}
        for service in ("AUTH", "USERS", "THINGS"):
            environment |= {f"MF_{service}_DB_HOST": "127.0.0.1", f"MF_{service}_DB_PORT": ports["postgres"],
                            f"MF_{service}_DB_USER": "postgres", f"MF_{service}_DB_PASS": PASSWORD}
        return environment

    def add(self, name, command, environment=None):
        self.programs[name] = Program(name, command, self.directory, environment).start()

    def down(self):
        for program in reversed(list(self.programs.values())):
            program.kill()

    def _answers(self, name):
        self.programs[name].require_running()
        return self.request(name, "GET", "/version")[0] == 200

    def _listens(self, name):
        self.programs[name].require_running()
        return self._accepts(name)

    def _accepts(self, port):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.ports[port])) == 0

    def request(self, service, method, path, body=None, token=None):
        """(status, JSON or None, headers); status 0 when nobody answers."""
        return ask(f"http://127.0.0.1:{self.ports[service]}{path}", method, body, token or "")

    def login(self):
        """A token, or "" while logging in is refused."""
        status, answer, _ = self.request("users", "POST", "/tokens", {"email": ADMIN[0], "password": ADMIN[1]})
        return answer["token"] if status == 201 else ""

    def create(self, kind, name, token):
        """The id of a new thing or channel; `kind` is "things" or "channels"."""
        status, _, headers = self.request("things", "POST", f"/{kind}", {"name": name}, token)
        assert status == 201, status
        return headers["Location"].rsplit("/", 1)[1]

    def count(self, kind, token):
        return self.request("things", "GET", f"/{kind}?limit=1", None, token)[1]["total"]


def main():
    # Whoever ends this program ends all of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Mainflux(sys.argv[1]) as server:
        pids = {name: program.process.pid for name, program in server.programs.items()}
        print(json.dumps({"ports": server.ports, "pids": pids, "email": ADMIN[0], "password": ADMIN[1]}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
