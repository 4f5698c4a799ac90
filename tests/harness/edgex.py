"""The stand-ins of EdgeX as plain processes, and what is asked of them."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from http.client import HTTPException

from tests.harness.kubernetes import ROOT
from tests.harness.ports import free_ports
from tests.harness.postgres import USER, accepts_logins, make_database, remove, server_command
from tests.harness.waiting import wait_until

SERVICES = ("core-keeper", "core-metadata", "core-data", "core-command", "device-virtual", "device-mqtt", "device-rest", "device-modbus",
            "support-notifications", "support-scheduler", "app-service-configurable", "ekuiper")


def http(url, method, text=""):
    """(status, text) of what it answers; status 0 when nobody does."""
    request = urllib.request.Request(url, data=text.encode() or None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except (OSError, HTTPException):
        return 0, ""


class Gateway:
    """Services as plain processes, on a database and a broker of their own."""

    def __init__(self):
        # pytest's own directories are root's alone, and PostgreSQL does not run as root.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="slicelet-stand-ins-"))
        self.directory.chmod(0o755)
        self.images = pathlib.Path(os.environ.get("SLICELET_IMAGE_CACHE", pathlib.Path.home() / ".cache/slicelet/images"))
        subprocess.run([ROOT / "tests/stand-ins/build-gateway-images.sh", self.images], check=True)
        self.database_port, self.broker_port, self.target_port = free_ports(3)
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
        self.processes = []

    def start_all(self, *names):
        """A database, a broker and these, in this order."""
        self.start_database()
        self.start_broker(self.broker_port)
        wait_until("the database accepts logins", lambda: accepts_logins(self.database_port))
        for name in names:
            self.ready(name)

    def start_database(self):
        data = self.directory / "database"
        make_database(data, "postgres", ["edgex_db"])
        return self.keep(server_command(data, self.database_port), cwd="/", **USER)

    def start_broker(self, port):
        """Returns when it listens."""
        configuration = self.directory / f"mosquitto-{port}.conf"
        configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        process = self.keep(["mosquitto", "-c", configuration])

        def listens():
            with socket.socket() as one:
                return one.connect_ex(("127.0.0.1", port)) == 0
        wait_until("the broker listens", listens)
        return process

    def keep(self, command, **options):
        with open(self.directory / "log", "ab") as log:
            process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, **options)
        self.processes.append(process)
        return process

    def start(self, name, *flags, **settings):
        environment = {
            "PATH": "/bin", "EDGEX_SECURITY_SECRET_STORE": "false", "EDGEX_STARTUP_DURATION": "120",
            "SERVICE_PORT": str(self.ports.get(name, 0)), "DATABASE_PORT": str(self.database_port),
            "MESSAGEBUS_PORT": str(self.broker_port), "CLIENTS_CORE_METADATA_PORT": str(self.ports["core-metadata"]),
            "STANDIN_INTERVAL_MS": "500", **{key: str(value) for key, value in settings.items()}}
        return self.keep([self.images / "edgex", name, *flags], env=environment)

    def ready(self, name, **settings):
        process = self.start(name, **settings)
        wait_until(f"{name} answers", lambda: self.ask(name, "ping")[0] == 200)
        return process

    def start_kuiper(self, place, **settings):
        """Keeps what it makes below `place`. Returns when it answers or has ended."""
        (place / "data").mkdir(exist_ok=True)
        bus = {f"{client}__{key}": value for client in ("EDGEX__DEFAULT", "CONNECTION__EDGEX__MQTTMSGBUS")
               for key, value in (("TYPE", "mqtt"), ("PORT", self.broker_port))}
        process = self.start("ekuiper", **{**bus, "EDGEX__DEFAULT__TOPIC": "edgex/rules-events", "KuiperBaseKey": place,
                                           "KUIPER__BASIC__RESTPORT": self.ports["ekuiper"], **settings})
        wait_until("it answers", lambda: process.poll() is not None or self.http("ekuiper", "GET", "/ping") == (200, ""))
        return process

    def make_at_kuiper(self, path, **body):
        return self.http("ekuiper", "POST", path, json.dumps(body))

    def ask(self, name, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}/api/v3/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")
        except (OSError, HTTPException):
            return 0, None

    def http(self, name, method, path, text=""):
        """(status, text) of a request that does not speak JSON; status 0 when nobody answers."""
        return http(f"http://127.0.0.1:{self.ports[name]}{path}", method, text)

    def subscribe(self, topic, port=None, messages=None, seconds=None):
        """Prints what is published from now on, as "TOPIC PAYLOAD"; ends after so many messages or seconds. Of messages that are to come,
        seconds are at least 120."""
        port = str(port or self.broker_port)
        # A retained message that comes at once says that the broker knows of the subscription.
        marked = subprocess.run(["mosquitto_pub", "-p", port, "-t", "subscribed", "-r", "-m", "yes"], check=False)
        assert marked.returncode == 0, f"no broker on port {port}"
        command = ["mosquitto_sub", "-p", port, "-t", "subscribed", "-t", topic, "-F", "%t %p"]
        command += ["-C", str(messages + 1)] if messages else []
        command += ["-W", str(max(seconds, 120) if messages else seconds)] if seconds else []
        listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert listener.stdout.readline() == "subscribed yes\n"
        return listener

    def publish(self, topic, payload):
        subprocess.run(["mosquitto_pub", "-p", str(self.broker_port), "-t", topic, "-m", payload], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        remove(self.directory)


def ends(process, code, within=120):
    assert process.wait(timeout=within) == code


def post(gateway, path, *items):
    status, body = gateway.ask("core-metadata", path, "POST", list(items))
    assert status == 207
    return [item["statusCode"] for item in body]


def profile(name):
    return {"apiVersion": "v3", "profile": {"name": name, "deviceResources": [
        {"name": "Temperature", "properties": {"valueType": "Float64", "readWrite": "R"}}]}}


def device(name, profile_name=None, service="device-virtual"):
    return {"apiVersion": "v3", "device": {
        "name": name, "profileName": profile_name or name, "serviceName": service, "adminState": "UNLOCKED",
        "operatingState": "UP", "protocols": {"mqtt": {"CommandTopic": f"command/{name}"}}}}


def modbus_device(gateway, name, protocols, resource, interval=None):
    resource = {"name": "Value", "properties": {"readWrite": "R", **resource["properties"]}, "attributes": resource["attributes"]}
    assert post(gateway, "deviceprofile", {"profile": {"name": name, "deviceResources": [resource]}}) == [201]
    events = [{"interval": interval, "sourceName": "Value"}] if interval else []
    assert post(gateway, "device", {"device": {"name": name, "profileName": name, "serviceName": "device-modbus", "protocols": protocols,
                                               "autoEvents": events}}) == [201]


def over_tcp(port, **more):
    return {"modbus-tcp": {"Address": "127.0.0.1", "Port": str(port), "UnitID": "1", "Timeout": "5", "IdleTimeout": "1", **more}}


def register(address, value_type="Uint16", table="HOLDING_REGISTERS"):
    return {"properties": {"valueType": value_type}, "attributes": {"primaryTable": table, "startingAddress": str(address)}}


def said_by(gateway, name):
    """What core-command has of a device's resource Value: the value, or why there is none."""
    status, body = gateway.ask("core-command", f"device/name/{name}/Value")
    return body["event"]["readings"][0]["value"] if status == 200 else body["message"]


def rule(name, sql, *actions):
    """Of eKuiper."""
    return {"id": name, "sql": sql, "actions": list(actions or [{"log": {}}])}
