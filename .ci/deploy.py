"""Holds what ci/ tells people to copy to what it says.

Each file goes through the validators that its readers use, and so does a copy with a fault planted in
it, which must be refused. Then everything in it that runs cryoscan is run: pods in a root that holds
the binary alone, as their uid and without capabilities; pipelines in a folder with checkpoints.

Usage: deploy.py CRYOSCAN (the static binary)
"""

import concurrent.futures
import copy
import ctypes
import io
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

import celpy
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = REPOSITORY / "tests/fixtures"
WORKFLOW = "ci/github/cryoscan.yml"
PIPELINE = "ci/gitlab/.gitlab-ci.yml"
UNIT = "ci/systemd/cryoscan.service"
NODE, CENTRAL, ADMISSION = (f"ci/kubernetes/{name}.yaml" for name in ("node", "central", "admission"))
YAML_RULES = (
    "{extends: default, rules: {line-length: {max: 120}, braces: {max-spaces-inside: 0},"
    " document-start: disable, truthy: {check-keys: false}}}"
)

# A validator: its command, the files it is given, and a fault that it must find: file, what stands
# there, what stands there instead, and a word of its complaint.
VALIDATORS = [
    *(
        (
            ["kubernetes-validate", "--strict", "-k", version],
            [NODE, CENTRAL, ADMISSION],
            (NODE, "recursiveReadOnly", "recursiveReadonly", "recursiveReadonly"),
        )
        for version in ("1.30", "1.37")
    ),
    (
        # A kind that it does not know is only a warning to it, and a mistake to us.
        ["kubernetes-validate", "--strict"],
        [CENTRAL],
        (CENTRAL, "kind: NetworkPolicy", "kind: NetworkPolicies", "WARN"),
    ),
    (
        # Why two of its checks are skipped stands in node.yaml.
        ["checkov", "--framework", "kubernetes", "--compact", "--quiet", "--skip-download", "-f"],
        [NODE, CENTRAL, ADMISSION],
        (CENTRAL, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "CKV_K8S_20"),
    ),
    (
        ["yamllint", "--strict", "-d", YAML_RULES],
        [NODE, CENTRAL, ADMISSION, WORKFLOW, PIPELINE],
        (PIPELINE, "variables:", "stages: [late]\nvariables:", "duplication"),
    ),
    (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        [WORKFLOW],
        (WORKFLOW, "runs-on:", "runs-at:", "runs-at"),
    ),
    (
        ["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
        [PIPELINE],
        (PIPELINE, "needs: [scan-checkpoints]", "needs: 7", "needs"),
    ),
    (
        ["actionlint"],
        [WORKFLOW],
        (WORKFLOW, "mkdir -p reports", "echo ${{ github.head_ref }}", "untrusted"),
    ),
    (
        ["zizmor", "--offline", "--pedantic"],
        [WORKFLOW],
        (WORKFLOW, "@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "@v6", "unpinned-uses"),
    ),
    (
        ["hadolint"],
        ["ci/Containerfile"],
        ("ci/Containerfile", "FROM scratch", "FROM debian:latest", "DL3007"),
    ),
    (
        ["shellcheck"],
        [".ci/run"],
        (".ci/run", "step_format() {", "step_format() {\n    rm $1", "SC2086"),
    ),
]


def fail(text):
    sys.exit(f"deploy: {text}")


def copied(folder):
    """A copy of the files that are judged, to plant faults in."""
    for name in ("ci", ".ci"):
        shutil.copytree(REPOSITORY / name, folder / name)
    return folder


def judge(command, files, root):
    """Whether a validator accepts files, and what it says."""
    done = subprocess.run(
        [*command, *files], cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = done.stdout.decode(errors="replace")
    return done.returncode == 0 and not re.search(r"^WARN", said, re.M), said


def validate(validator):
    """Shows a validator the files, then its fault; says what is wrong with either."""
    command, files, (file, there, instead, word) = validator
    accepts, said = judge(command, files, REPOSITORY)
    if not accepts:
        return f"{' '.join(command)}:\n{said}"
    with tempfile.TemporaryDirectory() as folder:
        root = copied(pathlib.Path(folder))
        text = (root / file).read_text()
        if there not in text:
            return f"{file}: no {there!r} to plant a fault for {command[0]}"
        (root / file).write_text(text.replace(there, instead, 1))
        accepts, said = judge(command, [file], root)
    if accepts or word not in said:
        return f"{command[0]} does not find {instead!r} in {file}:\n{said}"
    return None


def documents(file):
    return list(yaml.safe_load_all((REPOSITORY / file).read_text()))


def pods(file):
    """The pods of a file's CronJobs."""
    return [it["spec"]["jobTemplate"]["spec"]["template"] for it in documents(file) if it["kind"] == "CronJob"]


def check_admission():
    """The admission policy takes the pod of node.yaml and refuses every change that it is there for."""
    policy = documents(ADMISSION)[0]["spec"]
    environment = celpy.Environment()

    def evaluate(expression, **values):
        values = {name: celpy.json_to_cel(value) for name, value in values.items()}
        return environment.program(environment.compile(expression)).evaluate(values)

    variables = {it["name"]: str(evaluate(it["expression"])) for it in policy["variables"]}

    def refused(pod):
        return [
            it["message"]
            for it in policy["validations"]
            if not evaluate(it["expression"], object=pod, variables=variables)
        ]

    [pod] = pods(NODE)
    if refused(pod):
        fail(f"{ADMISSION} refuses the pod of {NODE}: {refused(pod)}")

    def first(spec):
        return spec["containers"][0]

    changes = [
        lambda spec: first(spec).update(image="registry.example/other"),
        lambda spec: spec.update(initContainers=[{"name": "first"}]),
        lambda spec: spec["volumes"][0]["hostPath"].update(path="/"),
        lambda spec: first(spec)["volumeMounts"][0].pop("readOnly"),
        lambda spec: first(spec)["securityContext"]["capabilities"].update(add=["DAC_READ_SEARCH"]),
        lambda spec: first(spec)["securityContext"].update(privileged=True),
        lambda spec: spec.update(hostPID=True),
    ]
    met = []
    for change in changes:
        changed = copy.deepcopy(pod)
        change(changed["spec"])
        met += refused(changed)
    if met != [it["message"] for it in policy["validations"]]:
        fail(f"{ADMISSION}: each change must meet its own validation, met were {met}")


def check_unit(binary):
    """The systemd unit is well-formed, as confined as it was, and scans what the pod of a node does."""
    text = (REPOSITORY / UNIT).read_text()
    program, *words = re.search(r"^ExecStart=(.*)$", text, re.M)[1].split()
    [pod] = pods(NODE)
    args, folder = pod["spec"]["containers"][0]["args"], pod["spec"]["volumes"][0]["hostPath"]["path"]
    if words != [*args[:-1], folder]:
        fail(f"{UNIT} runs {words}, the pod of {NODE} {args}")
    if not shutil.which("systemd-analyze"):
        print(f"no systemd-analyze here: {UNIT} is not verified")
        return

    def accepted(text):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "cryoscan.service"
            unit.write_text(text.replace(program, binary))
            shutil.copy(REPOSITORY / UNIT.replace(".service", ".timer"), folder)
            # It ends well after an unknown directive, too: what counts is that it says nothing.
            verify = ["systemd-analyze", "verify", unit, unit.with_suffix(".timer")]
            said = subprocess.run(verify, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
            # In tenths: 1.0 of 10.
            security = ["systemd-analyze", "security", "--offline=true", "--threshold=10", unit]
            judged = subprocess.run(security, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            return not said and judged.returncode == 0, (said + judged.stderr).decode()

    taken, said = accepted(text)
    if not taken:
        fail(f"{UNIT}:\n{said}")
    for there, instead in [("ProtectSystem=", "ProtectSystems="), ("NoNewPrivileges=yes\n", "")]:
        if accepted(text.replace(there, instead))[0]:
            fail(f"systemd-analyze does not find {instead!r} for {there!r} in {UNIT}")


def clean_checkpoint(path):
    """Writes the least that is a checkpoint: an inventory, version 2, and nothing else."""
    image = struct.pack("<III", 0x54564319, 0x58313116, 2) + b"\x08\x02"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("checkpoint/inventory.img")
        member.size = len(image)
        tar.addfile(member, io.BytesIO(image))


def fill(folder, names):
    """Puts archives into a folder, with what else lies beside them on a node."""
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(FIXTURES / name / "checkpoint.tar.zst", folder / f"checkpoint-{name}.tar.zst")
    clean_checkpoint(folder / "checkpoint-clean.tar")
    (folder / "checkpoint-clean.tar.keep").touch()


def contain(root, uid):
    """Makes this process what a container runtime makes of one that drops all capabilities."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setgid(uid)
    bounding_set_drop, no_new_privileges = 24, 38
    for capability in range(64):
        libc.prctl(bounding_set_drop, capability, 0, 0, 0)
    os.setuid(uid)
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")


def run_pod(pod, binary, owner, archives):
    """Runs a pod's container over a folder that belongs to a user; gives the exit code with what went to
    standard error, and the records."""
    spec = pod["spec"]
    [container], [mount] = spec["containers"], spec["containers"][0]["volumeMounts"]
    uid = spec["securityContext"]["runAsUser"]
    containerfile = (REPOSITORY / "ci/Containerfile").read_text()
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", containerfile, re.M)[1])
    _, destination = re.search(r"^COPY (\S+) (\S+)$", containerfile, re.M).groups()
    with tempfile.TemporaryDirectory() as root:
        # As the kubelet keeps them: 0600 in a folder of 0700.
        root = pathlib.Path(root)
        root.chmod(0o755)
        shutil.copy(binary, root / destination.lstrip("/"))
        folder = root / mount["mountPath"].lstrip("/")
        if archives is None:
            folder.mkdir()
        else:
            fill(folder, archives)
            (folder / "torso.tar").write_bytes((folder / "checkpoint-clean.tar").read_bytes()[:520])
        for path in [folder, *folder.iterdir()]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.chown(path, owner, owner)
        done = subprocess.run(
            [*entry, *container["args"]],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: contain(root, uid),
        )
    said = done.stderr.decode(errors="replace").strip()
    return f"{done.returncode} {said}".strip(), [json.loads(line) for line in done.stdout.splitlines()]


def check_pods(binary):
    if os.getuid() != 0:
        # A container's root and uids cannot be made without being root.
        print("not root: the pods of ci/kubernetes were not run")
        return
    fixtures = ["matrix", "kubelet-crio", "node"]
    for file, owner in [(NODE, 0), (CENTRAL, 65532)]:
        [pod] = pods(file)
        code, records = run_pod(pod, binary, owner, fixtures)
        targets = [it["target"] for it in records if it["type"] == "checkpoint"]
        expected = sorted(f"/checkpoints/checkpoint-{name}.tar.zst" for name in fixtures)
        if code != "0" or targets != ["/checkpoints/checkpoint-clean.tar", *expected]:
            fail(f"{file}: exit {code}, checkpoints {targets}")
        if not any(it["type"] == "finding" for it in records):
            fail(f"{file}: no finding")
        # The torso is told, and is all that is.
        notes = [(it["level"], it["member"]) for it in records if it["type"] == "diagnostic"]
        if not notes or any(member != "/checkpoints/torso.tar" for _, member in notes):
            fail(f"{file}: diagnostics {notes}")
        code, records = run_pod(pod, binary, owner, None)
        if not code.startswith("0 ") or records[-1]["checkpoints"] != 0:
            fail(f"{file}: an empty folder gives exit {code}")
    # What the comment in node.yaml says of other uids.
    [pod] = pods(CENTRAL)
    code, _ = run_pod(pod, binary, 0, fixtures)
    if not code.startswith("2 ") or "Permission denied" not in code:
        fail(f"{CENTRAL}: files of root, 0600, give exit {code} to another uid")


def check_pipeline(file, scripts, sarif, binary):
    """Runs the scripts of a pipeline, one process each, over bad, clean and damaged checkpoints."""
    if len(scripts) != 2 or not all("cryoscan" in script for script in scripts):
        fail(f"{file}: expected a script that scans and one that is the gate, found {scripts}")
    for kind, expected in [("bad", 1), ("clean", 0), ("damaged", 3)]:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "bin").mkdir()
            (folder / "bin/cryoscan").symlink_to(binary)
            work = folder / "work"
            fill(work / "checkpoints", ["matrix"] if kind == "bad" else [])
            if kind == "damaged":
                archive = work / "checkpoints/checkpoint-clean.tar"
                (work / "checkpoints/torso.tar").write_bytes(archive.read_bytes()[:1024])
            codes, said = [], b""
            for script in scripts:
                done = subprocess.run(
                    ["bash", "-e", "-c", script],
                    cwd=work,
                    env={"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                codes.append(done.returncode)
                said += done.stdout
            if codes != [0, expected]:
                fail(f"{file}: {kind} checkpoints give exits {codes}, expected {[0, expected]}\n{said.decode()}")
            report = json.loads((work / sarif).read_text())
            results = [it for run in report["runs"] for it in run["results"]]
            if report["version"] != "2.1.0" or bool(results) != (kind == "bad"):
                fail(f"{file}: {sarif} holds {len(results)} results of {kind} checkpoints")


def check_pipelines(binary):
    steps = documents(WORKFLOW)[0]["jobs"]["cryoscan"]["steps"]
    scripts = [it["run"] for it in steps if it.get("name") in ("Scan", "Gate")]
    [upload] = [it["with"]["sarif_file"] for it in steps if "upload-sarif" in it.get("uses", "")]
    check_pipeline(WORKFLOW, scripts, upload, binary)
    [pipeline] = documents(PIPELINE)
    jobs = [pipeline[name] for name in ("scan-checkpoints", "gate-checkpoints")]
    scripts = ["\n".join(job["script"]) for job in jobs]
    check_pipeline(PIPELINE, scripts, jobs[0]["artifacts"]["reports"]["sarif"], binary)


def main():
    [binary] = sys.argv[1:]
    binary = str(pathlib.Path(binary).resolve())
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        faults = [fault for fault in pool.map(validate, VALIDATORS) if fault]
    if faults:
        fail("\n".join(faults))
    check_admission()
    check_unit(binary)
    check_pods(binary)
    check_pipelines(binary)
    print(f"{len(VALIDATORS)} validations, each with a planted fault; pods and pipelines run")


if __name__ == "__main__":
    main()
