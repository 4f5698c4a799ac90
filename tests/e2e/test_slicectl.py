"""slicectl's nouns and verbs on the real control plane, with the hub beside it: every form of output, exit codes, refusals."""

import base64
import json
import os
import re
import subprocess

import pytest
import yaml

from tests.harness.documents import blocks
from tests.harness.kubernetes import condition
from tests.harness.waiting import wait_until

FORMATS = ("table", "wide", "json", "yaml", "name")
SLICE = "ctl-north"
LONG = "x" * 10000
OLD_FILE = """
[k8sclusters.here]
ip = "10.0.0.1"
[iotslices.{slice}]
edge = "here"
cloud = "here"
[iotserver.hall]
slice = "{slice}"
user = "operator@example.com"
password = "not-to-be-shown"
address = "iot.example.com"
[iotgateways.press]
slice = "{slice}"
[iotdevices.oven]
gateway = "press"
protocol = "MQTT"
resources = ["temperature"]
"""


@pytest.fixture
def ctl(edge, tmp_path):
    """slicectl with the cluster's kubeconfig and nothing else; (exit code, stdout, stderr)."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(edge.plane.kubeconfig)}

    def call(*arguments, **variables):
        result = subprocess.run([str(edge.binary("slicectl")), *map(str, arguments)], capture_output=True, text=True,
                                timeout=600, env={**environment, **variables})
        return result.returncode, result.stdout, result.stderr
    return call


@pytest.fixture
def must(ctl):
    """The same where nothing may fail: its standard output."""
    def call(*arguments):
        code, out, err = ctl(*arguments)
        assert code == 0, f"slicectl {' '.join(map(str, arguments))}: exit {code}: {err}"
        return out
    return call


@pytest.fixture
def north(edge, must):
    """A slice that is Ready; nothing of it stays."""
    must("slice", "create", SLICE, "--node", "gw-1", "--wait")
    yield SLICE
    admin = edge.kubectl("")
    for of in ("iotdevices", "iotgateways", "iotservers"):
        admin("delete", of, "--all", "-n", SLICE, "--ignore-not-found", "--timeout=240s", check=False)
    admin("delete", "iotslice", SLICE, "-n", "slicelet", "--ignore-not-found", "--timeout=240s")
    wait_until("the namespace is gone", lambda: admin.get("namespace", SLICE) is None)


def one_line(text):
    return text.count("\n") == 1 and text.endswith("\n")


def check_formats(must, noun, name, *where):
    """get and list in every form, each readable by what it is for."""
    for form in FORMATS:
        got = must(noun, "get", name, *where, "-o", form)
        listed = must(noun, "list", *where, "-o", form)
        if form in ("json", "yaml"):
            read = json.loads if form == "json" else yaml.safe_load
            assert read(got)["metadata"]["name"] == name
            assert read(listed)["kind"] == "List" and name in [item["metadata"]["name"] for item in read(listed)["items"]]
            assert "managedFields" not in got
        elif form == "name":
            assert re.fullmatch(rf"\w+\.slicelet\.io/{name}\n", got) and got in listed
        else:
            assert re.match(r"(NAMESPACE\s+)?NAME\s+[A-Z ]+\n", listed) and re.search(rf"^{name}\s", listed, re.M)
            assert got.startswith("NAMESPACE")


def test_every_noun_and_verb(edge, must, north):
    hub = edge.kubectl("slicelet")
    # Clusters.
    assert must("cluster", "create", "here", "--role", "edge") == "iotcluster.slicelet.io/here created\n"
    check_formats(must, "cluster", "here")
    assert must("cluster", "set", "here", "--description", "plant 7") == "iotcluster.slicelet.io/here changed\n"
    assert must("cluster", "set", "here", "--description", "plant 7") == "iotcluster.slicelet.io/here unchanged\n"
    must("cluster", "set", "here", "--unset", "description")
    assert hub.get("iotcluster", "here")["spec"] == {"role": "edge"}
    assert must("cluster", "delete", "here") == "iotcluster.slicelet.io/here deleted\n"

    # Slices.
    check_formats(must, "slice", north)
    must("slice", "set", north, "--quota-pods", "20", "--quota-memory", "4Gi", "--wait")
    assert edge.kubectl(north).get("resourcequota", "slicelet-slice")["spec"]["hard"]["pods"] == "20"
    must("slice", "set", north, "--unset", "quota", "--wait")
    assert "quota" not in hub.get("iotslice", north)["spec"]

    # A server of others.
    made = yaml.safe_load(must("server", "create", "hall", "--slice", north, "--profile", "external", "--url", "http://a.example.com",
                               "-o", "yaml"))
    assert made["metadata"]["namespace"] == north and made["spec"]["url"] == "http://a.example.com"
    check_formats(must, "server", "hall", "--slice", north)
    assert "is Ready" in must("server", "set", "hall", "--slice", north, "--url", "http://b.example.com", "--wait")
    assert must("server", "get", "hall", "-n", north, "-o", "table").count("http://b.example.com") >= 1

    # A gateway without a pod is enough here.
    must("gateway", "create", "press", "--slice", north, "--host", "gw-1", "--suspended", "--image", "core-data=a:1")
    check_formats(must, "gateway", "press", "-n", north)
    assert re.search(rf"{north}\s+press\s", must("gateway", "list", "-A"))
    must("gateway", "set", "press", "-n", north, "--image", "core-data-", "--image", "postgres=b:1")
    gateways = edge.kubectl(north)
    assert gateways.get("iotgateway", "press")["spec"]["images"] == {"postgres": "b:1"}
    assert must("gateway", "attach", "press", "-n", north, "--server", "hall") == (
        "iotgateway.slicelet.io/press goes to server hall\n")
    assert gateways.get("iotgateway", "press")["spec"]["attachTo"] == "hall"
    assert must("gateway", "detach", "press", "-n", north, "--wait").endswith("is Detached\n")
    assert "attachTo" not in gateways.get("iotgateway", "press")["spec"]
    assert "is attached to no server" in must("gateway", "detach", "press", "-n", north)

    # Devices.
    must("device", "create", "oven", "--slice", north, "--gateway", "press", "--protocol", "virtual", "--resource",
         "temperature:Float32:Cel:5s")
    check_formats(must, "device", "oven", "--slice", north)
    must("device", "set", "oven", "--slice", north, "--locked")
    assert gateways.get("iotdevice", "oven")["spec"]["locked"] is True
    must("device", "set", "oven", "--slice", north, "--locked=false")
    assert gateways.get("iotdevice", "oven")["spec"]["locked"] is False

    # Hosts, as the cluster knows them: no hub's configuration is named.
    check_formats(must, "host", "gw-1")
    assert must("host", "tag", "gw-1", "site=north", "line=3") == "edgehost.slicelet.io/gw-1 changed\n"
    must("host", "tag", "gw-1", "line-")
    assert hub.get("edgehost", "gw-1")["spec"]["tags"]["site"] == "north"
    assert "line" not in hub.get("edgehost", "gw-1")["spec"]["tags"]
    must("host", "tag", "gw-1", "site-")
    assert must("host", "approve", "gw-1") == "edgehost.slicelet.io/gw-1 unchanged\n"
    # Not in the hub's namespace, so that no node comes of it.
    gateways.apply({"apiVersion": "slicelet.io/v1alpha1", "kind": "EdgeHost", "metadata": {"name": "gw-9"}, "spec": {}})
    must("host", "approve", "gw-9", "-n", north)
    must("host", "set", "gw-9", "-n", north, "--maintenance")
    must("host", "revoke", "gw-9", "-n", north)
    spec = gateways.get("edgehost", "gw-9")["spec"]
    assert spec["approved"] and spec["revoked"] and spec["maintenance"]
    assert must("host", "delete", "gw-9", "-n", north) == "edgehost.slicelet.io/gw-9 deleted\n"

    # The way back.
    assert must("device", "delete", "oven", "--slice", north) == "iotdevice.slicelet.io/oven deleted\n"
    assert must("gateway", "delete", "press", "--slice", north) == "iotgateway.slicelet.io/press deleted\n"
    assert must("server", "delete", "hall", "--slice", north) == "iotserver.slicelet.io/hall deleted\n"
    assert must("slice", "delete", north) == f"iotslice.slicelet.io/{north} deleted\n"
    assert hub.get("iotslice", north) is None


def test_a_wait_tells_the_steps_and_its_end(edge, ctl, north):
    # Longer than a busy hub needs to say what is wrong.
    code, out, err = ctl("gateway", "create", "press", "--slice", north, "--host", "gw-77", "--wait", "--timeout", "10s")
    assert code == 1 and out == "iotgateway.slicelet.io/press created\n"
    lines = err.splitlines()
    assert any("not Ready: HostNotFound" in line for line in lines[:-1])
    assert lines[-1].startswith("slicectl: gateway press: not Ready in time: HostNotFound: ") and "slicectl gateway get press" in lines[-1]
    # What holds a deletion is told too.
    code, out, err = ctl("slice", "delete", north, "--timeout", "10s")
    assert code == 1 and "InUse" in err.splitlines()[-1] and out == ""
    code, out, err = ctl("gateway", "delete", "press", "none", "-n", north)
    assert code == 1 and out == "iotgateway.slicelet.io/press deleted\n" and one_line(err) and 'no gateway "none"' in err


def test_passwords_and_kubeconfigs_go_into_secrets_that_go_with_their_objects(edge, ctl, must, north, tmp_path):
    password, kubeconfig = tmp_path / "password", tmp_path / "kubeconfig"
    password.write_text("open-sesame\n")
    password.chmod(0o600)
    kubeconfig.write_text(yaml.safe_dump({
        "clusters": [{"name": "far", "cluster": {"server": "https://192.0.2.1:6443",
                                              "insecure-skip-tls-verify": True}}], "current-context": "far",
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": "u"}}], "users": [{"name": "u", "user": {"token": "t"}}]}))
    hub, inside = edge.kubectl("slicelet"), edge.kubectl(north)
    made = ("server", "create", "hall", "--slice", north, "--profile", "external", "--url", "http://a.example.com",
            "--user", "ann@example.com", "--password-file", password)
    planned = must(*made, "--dry-run")
    assert [one["kind"] for one in yaml.safe_load_all(planned)] == ["Secret", "IotServer"] and "password: <redacted>" in planned
    assert must(*made) == "iotserver.slicelet.io/hall created\n"
    server, secret = inside.get("iotserver", "hall"), inside.get("secret", "hall-user")
    assert server["spec"]["credentialsSecret"] == "hall-user"
    assert {key: base64.b64decode(value) for key, value in secret["data"].items()} == {
        "email": b"ann@example.com", "password": b"open-sesame"}
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [server["metadata"]["uid"]]
    code, _, err = ctl(*made)
    assert code == 1 and "exists already" in err
    # As after a run that ended before the Secret had its owner: the same command goes on.
    inside("patch", "secret", "hall-user", "--type", "merge", "-p", '{"metadata": {"ownerReferences": null}}')
    assert must(*made) == "iotserver.slicelet.io/hall created\n"
    must("server", "set", "hall", "-n", north, "--user", "ben@example.com", "--password-file", password)
    secret = inside.get("secret", "hall-user")
    assert base64.b64decode(secret["data"]["email"]) == b"ben@example.com" and secret["metadata"]["ownerReferences"]
    must("cluster", "create", "ctl-far", "--role", "edge", "--kubeconfig-file", kubeconfig)
    assert hub.get("iotcluster", "ctl-far")["spec"] == {"role": "edge", "kubeconfigSecret": "ctl-far-kubeconfig"}
    assert must("cluster", "delete", "ctl-far", "--give-up") == "iotcluster.slicelet.io/ctl-far deleted\n"
    assert must("server", "delete", "hall", "-n", north) == "iotserver.slicelet.io/hall deleted\n"
    wait_until("the Secrets are gone too", lambda: inside.get("secret", "hall-user") is None and
               hub.get("secret", "ctl-far-kubeconfig") is None)


def test_create_is_no_overwrite(edge, ctl, north):
    first = ("gateway", "create", "press", "--slice", north, "--host", "gw-1", "--suspended")
    assert ctl(*first)[0] == 0
    before = edge.kubectl(north).get("iotgateway", "press")["spec"]
    code, out, err = ctl(*first, "--profile", "edgex-4.0-full")
    assert (code, out) == (1, "") and one_line(err) and "exists already and is left as it is" in err
    assert edge.kubectl(north).get("iotgateway", "press")["spec"] == before


# Command line, exit code, and what its one line names. {n} is the slice and its namespace.
BAD_INPUT = [
    ("", 2, ["A subcommand is required"]),
    ("gateways list", 2, ["slicectl --help"]),
    ("gateway", 2, ["slicectl gateway --help"]),
    ("gateway create", 2, ["NAME is required"]),
    ("gateway create press --host gw-1", 2, ["--slice is required"]),
    ("gateway create press --slice {n} --host gw-1 --colour red", 2, ["--colour"]),
    ("gateway list -o colour", 2, ["--output", "colour"]),
    ("gateway create press --slice {n} --host gw-1 --suspended=maybe", 2, ['--suspended "maybe"', "true or false"]),
    ("gateway create press --slice {n} --host gw-1 --hosts many", 2, ['--hosts "many"', "whole number"]),
    ("gateway create press --slice {n} --host gw-1 --template /nowhere.yaml", 1, ["/nowhere.yaml"]),
    ("gateway create press --slice {n} --host gw-1 --wait --timeout soon", 2, ["--timeout"]),
    ("gateway set press -n {n}", 2, ["nothing to set"]),
    ("gateway set press -n {n} --unset colour", 2, ['--unset "colour"']),
    ("gateway set none -n {n} --suspended", 1, ['no gateway "none"', "slicectl gateway list -A"]),
    ("gateway create press --slice none --host gw-1", 1, ['no slice "none"', "slicectl slice list"]),
    ("gateway create press --slice {n} -n nowhere --host gw-1", 1, ['no namespace "nowhere"']),
    ("gateway create press --slice {n}", 1, ["spec.target", "--host", "--node"]),
    ("gateway create press --slice {n} --host gw-1 --node fleet", 1, ["spec.target", "--host gw-1", "--node fleet", "not both"]),
    ("gateway create press --slice {n} --host gw-1 --hosts 3", 1, ["spec.target", "--hosts 3", "placement"]),
    ("gateway create press --slice {n} --host gw-1 --profile nosuch", 1, ["spec.profile", '"nosuch"', "edgex-4.0-minimal"]),
    ("gateway create press --slice {n} --host gw-1 --serial-device /dev/ttyS0", 1, ["serialDevice is for deviceService modbus"]),
    ("gateway create Press_1 --slice {n} --host gw-1", 1, ["Press_1"]),
    ("gateway create press --slice {n} --host {long}", 1, ["spec.target.host", "--host xxx"]),
    ("gateway create {long} --slice {n} --host gw-1", 1, ["gateway"]),
    ("gateway attach press -n {n}", 2, ["--server is required"]),
    ("gateway get  -n {n}", 2, ["NAME"]),
    ("server create hall --slice {n} --profile external", 1, ["url", "--profile external"]),
    ("server create hall --slice {n} --profile external --url ftp://a", 1, ["spec.url", "ftp://a"]),
    ("server create hall --slice {n} --profile external --url http://a --user a@b", 2, ["--user", "--password-file"]),
    ("server create hall --slice {n} --profile external --url http://a --user a@b --password-file /nowhere", 1, ["/nowhere"]),
    ("cluster create far --role edge --kubeconfig-file /nowhere", 1, ["/nowhere"]),
    ("slice create far --edge-cluster none", 1, ["--edge-cluster", 'no cluster "none"', "slicectl cluster list"]),
    ("device create oven --slice {n} --gateway none --protocol virtual --resource a", 1, ["--gateway", 'no gateway "none"']),
    ("device create oven --slice {n} --gateway press --protocol virtual", 2, ["--resource is required"]),
    ("device create oven --slice {n} --gateway press --protocol virtual --resource a:b:c:d:e", 2, ["a:b:c:d:e", "INTERVAL"]),
    ("slice create kube-system", 1, ["kube-system", "spec.namespace"]),
    ("slice create big --quota-cpu lots", 1, ["spec.quota.cpu", '"lots"', "--quota-cpu lots"]),
    ("slice create big --quota-pods -1", 1, ["spec.quota.pods", "-1"]),
    ("cluster create here --role fog", 1, ["spec.role", '"fog"']),
    ("cluster create here --role edge --cluster-context c", 1, ["give kubeconfigSecret", "--cluster-context c"]),
    ("host tag gw-1 site", 2, ['--tag "site"', "NAME=VALUE"]),
    ("host get none", 1, ['no host "none"']),
    ("import /nowhere.toml", 1, ["/nowhere.toml"]),
    ("completion fish", 2, ["fish"]),
]


def test_bad_input_is_one_line_that_names_field_and_value(ctl, north):
    wrong = []
    for line, code, named in BAD_INPUT:
        words = [word.format(n=north, long=LONG) for word in line.split()]
        ended, out, err = ctl(*words)
        if ended != code or out != "" or not one_line(err) or not all(part in err for part in named) or len(err) > 2000:
            wrong.append(f"slicectl {line}: exit {ended}, wanted {code} and {named}: {out}{err}")
    assert not wrong, "\n".join(wrong)


def test_a_kubeconfig_that_points_nowhere(edge, ctl, tmp_path):
    good = yaml.safe_load(edge.plane.kubeconfig.read_text())

    def variant(name, change):
        changed = json.loads(json.dumps(good))
        change(changed)
        path = tmp_path / name
        path.write_text(yaml.safe_dump(changed))
        return path

    def refused(*arguments, named, **variables):
        code, out, err = ctl("slice", "list", *arguments, **variables)
        assert (code, out) == (1, "") and one_line(err) and all(part in err for part in named), err

    refused("--kubeconfig", "/nowhere", named=["/nowhere (--kubeconfig) does not exist", "KUBECONFIG"])
    refused(KUBECONFIG="/nowhere", named=["/nowhere (KUBECONFIG) does not exist", "--kubeconfig FILE"])
    refused(KUBECONFIG="", named=["no kubeconfig", "--kubeconfig FILE"])
    refused("--context", "none", named=[str(edge.plane.kubeconfig), '"none"'])
    dead = variant("dead", lambda c: c["clusters"][0]["cluster"].update(server="https://127.0.0.1:1"))
    refused("--kubeconfig", dead, named=["cannot reach the cluster at https://127.0.0.1:1", str(dead)])

    def with_token(changed):
        changed["users"][0]["user"] = {"token": "wrong"}
    stranger = variant("stranger", with_token)
    refused("--kubeconfig", stranger, named=["does not take the kubeconfig's credentials", str(stranger)])


def test_the_old_file_is_imported_once_however_often(edge, ctl, must):
    file = edge.directory / "old.toml"
    file.write_text(OLD_FILE.format(slice=SLICE))
    admin = edge.kubectl("")
    try:
        code, out, err = ctl("import", file, "--host", "gw-1", "--dry-run")
        assert code == 0 and "not-to-be-shown" not in err
        assert [one["kind"] for one in yaml.safe_load_all(out)] == [
            "IotCluster", "IotSlice", "Secret", "IotServer", "IotGateway", "IotDevice"]
        assert admin.get("iotslice", SLICE, namespace="slicelet") is None
        # Without a host the gateway can not be made, nor what hangs on it; the rest is.
        code, out, err = ctl("import", file)
        assert code == 1 and f"IotSlice slicelet/{SLICE} created" in out and "--host press=HOST" in err
        assert "ip = 10.0.0.1 is ignored" in err and "not-to-be-shown" not in out + err
        code, out, err = ctl("import", file, "--host", "press=gw-1")
        assert code == 0 and f"IotGateway {SLICE}/press created" in out and f"IotServer {SLICE}/hall unchanged" in out, err
        out = must("import", file, "--host", "press=gw-1")
        assert out.count(" unchanged ") == 6 and "created" not in out
        server = edge.kubectl(SLICE).get("iotserver", "hall")
        assert server["spec"]["url"] == "http://iot.example.com"
        assert server["spec"]["credentialsSecret"] == "hall-credentials"
        must("gateway", "set", "press", "-n", SLICE, "--host", "gw-2")
        code, out, err = ctl("import", file, "--host", "press=gw-1")
        assert code == 1 and "differs in spec.target.host" in err
        assert edge.kubectl(SLICE).get("iotgateway", "press")["spec"]["target"]["host"] == "gw-2"
    finally:
        for of in ("iotdevices", "iotgateways", "iotservers"):
            admin("delete", of, "--all", "-n", SLICE, "--ignore-not-found", "--timeout=240s", check=False)
        admin("delete", "iotslice", SLICE, "-n", "slicelet", "--ignore-not-found", "--timeout=240s")
        admin("delete", "iotcluster", "here", "-n", "slicelet", "--ignore-not-found")


def test_the_shell_completes_commands_options_and_objects(edge, ctl, must, north, tmp_path):
    must("server", "create", "hall", "--slice", north, "--profile", "external", "--url", "http://a")

    def offered(*words):
        code, out, _ = ctl("__complete", *words)
        assert code == 0
        return out.split()

    assert {"attach", "create", "delete", "detach", "get", "list", "set"} == set(offered("gateway", ""))
    assert offered("gateway", "create", "--target") == ["--target-condition"]
    assert offered("device", "create", "--protocol", "m") == ["modbus", "mqtt"]
    assert offered("gateway", "list", "-o", "") == sorted(FORMATS)
    assert offered("server", "get", "--slice", north, "") == ["hall"]
    assert north in offered("gateway", "create", "press", "--slice", "")
    assert offered("gateway", "attach", "press", "-n", north, "--server", "") == ["hall"]
    assert offered("completion", "") == []
    # As bash itself asks.
    script = tmp_path / "complete.sh"
    script.write_text(must("completion", "bash"))
    environment = {"PATH": f"{edge.binary('slicectl').parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
                   "KUBECONFIG": str(edge.plane.kubeconfig)}
    asked = subprocess.run(["bash", "-c", f"source {script}; COMP_WORDS=(slicectl gateway list --output = ya); COMP_CWORD=5; "
                            'COMP_LINE="${COMP_WORDS[*]}"; _slicectl; echo "${COMPREPLY[*]}"'],
                           capture_output=True, text=True, timeout=120, env=environment)
    assert asked.stdout == "yaml\n", asked.stderr
    assert "compdef slicectl" in must("completion", "zsh")


@pytest.mark.parametrize("block", blocks("docs/slicectl.md"), ids=lambda block: block.name)
def test_the_documents_commands_do_what_it_says(edge, tmp_path, block):
    environment = {"PATH": f"{edge.binary('slicectl').parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
                   "KUBECONFIG": str(edge.plane.kubeconfig)}
    ended = subprocess.run(["bash", "-ec", block.commands], capture_output=True, text=True, timeout=600, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert block.missing(ended.stdout) is None, ended.stdout


def test_the_providers_view_of_hosts_needs_the_hubs_configuration(edge):
    wait_until("its host is connected", lambda: [
        host["name"] for host in json.loads(edge.slicectl("host", "list", "-o", "json")) if host["connected"]] == ["gw-1"])
    assert [host["name"] for host in yaml.safe_load(edge.slicectl("host", "list", "-o", "yaml"))] == ["gw-1"]
    assert "gw-1\n" in edge.slicectl("host", "list", "-o", "name")
    assert condition(edge.kubectl("").get("node", "gw-1"), "Ready")["status"] == "True"
