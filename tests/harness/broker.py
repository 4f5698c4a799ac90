"""Somebody with all the rights of an MQTT broker: reads, repeats, invents and clears whatever passes through it."""

import pathlib
import subprocess

from tests.harness.kubernetes import run
from tests.harness.process import Program
from tests.harness.waiting import wait_until


class Intruder:
    """Connects to the broker of an `Edge` with the hub's own certificate, the one that may use every topic."""

    def __init__(self, edge):
        self._edge = edge
        self._root = f"slicelet/v1/{edge.hub}"
        self._listener = None

    def topic(self, leaf, host=None):
        return f"{self._root}/h/{host or self._edge.host}/{leaf}"

    @property
    def hub_topic(self):
        return f"{self._root}/hub"

    def _command(self, program, name):
        hub = self._edge.hub_directory
        return [program, "-V", "5", "-h", "127.0.0.1", "-p", str(self._edge.broker_port), "-q", "1", "-i", name,
                "--cafile", str(hub / "ca.crt"), "--cert", str(hub / "mqtt.crt"), "--key", str(hub / "mqtt.key")]

    def listen(self):
        """Records everything from now on; returns once it does."""
        name = f"ear-{len(list(pathlib.Path(self._edge.logs).glob('ear-*.log')))}"
        self._listener = Program(name, [*self._command("mosquitto_sub", name), "-t", f"{self._root}/#", "-F", "%t %x"],
                                 self._edge.logs).start()
        mark = self.topic("mark", "nobody")

        def hears():
            self.publish(mark, b"mark")
            return any(topic == mark for topic, _ in self.heard(everything=True))
        wait_until("the intruder hears the broker's messages", hears, interval=0.5)
        return self

    def heard(self, everything=False):
        """(topic, payload) of each message so far, in order."""
        messages = []
        # The last line may be half written.
        for line in self._listener.log.read_text().rpartition("\n")[0].splitlines():
            topic, _, payload = line.partition(" ")
            if topic.startswith(self._root) and (everything or "/nobody/" not in topic):
                messages.append((topic, bytes.fromhex(payload)))
        return messages

    def close(self):
        if self._listener:
            self._listener.kill()

    def publish(self, topic, payload, retain=False):
        """An empty payload that is retained clears what the broker keeps."""
        what = ["-s"] if payload else ["-n"]
        subprocess.run([*self._command("mosquitto_pub", "mouth"), "-t", topic, *what, *(["-r"] if retain else [])],
                       input=payload, check=True, capture_output=True, timeout=120)


def metric(edge, name, **labels):
    """The sum of a provider's metric over all series that carry these labels."""
    page = run(["curl", "-sk", "--fail", f"https://127.0.0.1:{edge.metrics_port}/metrics"])[1]
    total = 0.0
    for line in page.splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
            total += float(value)
    return total
