"""Records what AWS tells about the stacks of ../templates: writes `events.txt` beside each case.

Asks the emulator with botocore and AWS's own CLI, so that nothing of Longshore's has a part in what is expected of it. Run with the
Python of the AWS CLI's part, all cases or the named ones: .parts/awscli/bin/python tests/aws/corpus/record.py [CASE…]
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

import botocore.session
import yaml
from botocore.exceptions import ClientError

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE.parent / "templates"
PARTS = HERE.parents[2] / ".parts"
REGION = "eu-west-1"
KEY = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "test"}
STACK = "AWS::CloudFormation::Stack"
OUTPUT = re.compile(r"#\{Octopus\.Action\[(?P<step>[^\]]+)\]\.Output\.AwsOutputs\[(?P<key>[^\]]+)\]\}")
FAILED = "STACK_FAILED"
FIRST = ("ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED")


class Emulator:
    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        path = f"{PARTS / 'bin'}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": folder, "TMPDIR": folder}
        settings = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
        quiet = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
        self.log = open(f"{folder}/emulator.log", "wb")
        self.process = subprocess.Popen(
            [PARTS / "bin/ministack"], env={**self.environment, **settings, **quiet}, cwd=folder, stdout=self.log, stderr=self.log
        )
        while not self.answers():
            if self.process.poll() is not None:
                raise SystemExit(f"the emulator ended with {self.process.returncode}")
            time.sleep(0.05)

    def answers(self):
        try:
            return urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5).status == 200
        except OSError:
            return False

    def client(self, service):
        return botocore.session.Session().create_client(service, region_name=REGION, endpoint_url=self.url, **KEY)


class Recorder:
    def __init__(self, emulator):
        self.emulator = emulator
        self.aws = emulator.client("cloudformation")
        self.s3 = emulator.client("s3")
        # What was told of the deletion of a stack that never was healthy.
        self.replaced = []

    def record(self, folder):
        """Deploys, updates and deletes a case; answers the text of its events."""
        case = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
        if "refused" in case:
            return ""
        name = folder.name
        before = list((case.get("before") or {}).items())
        meanwhile = list((case.get("meanwhile") or {}).items())
        for key, stack in before:
            self.other(folder, key, stack)
        sections = [("create", self.deploy(folder, name, "template", case.get("create") or {}))]
        if "update" in case:
            sections.append(("update", self.deploy(folder, name, "update", case["update"])))
        for key, stack in meanwhile:
            self.other(folder, key, stack)
        if self.known(name):
            sections.append(("delete", self.delete(name, (case.get("delete") or {}).get("end"))))
        for key, _ in reversed(before + meanwhile):
            self.delete(f"{name}-{key}")
        return "\n".join(f"# {phase}\n{''.join(lines)}" for phase, lines in sections)

    def other(self, folder, key, stack):
        name = f"{folder.name}-{key}"
        self.run(name, folder / stack["template"], stack.get("deploy") or {})
        status = self.status(name)
        if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
            print(f"{name}: {status}")

    def deploy(self, folder, name, which, phase):
        if phase.get("fails", {}).get("reason", FAILED) != FAILED:
            # Refused by the step or by AWS before anything began: there is nothing to tell.
            return []
        template = next((folder / f"{which}{end}" for end in (".yaml", ".json") if (folder / f"{which}{end}").exists()), None)
        if template is None:
            template = next(folder.glob("template.*"))
        self.replaced = []
        before = self.events(self.known(name))
        try:
            before = self.run(name, template, phase.get("deploy") or {})
            status = self.status(name) or "absent"
        except (ClientError, RuntimeError, subprocess.CalledProcessError) as error:
            status = f"refused: {error} {getattr(error, 'stderr', '') or ''}"
        expected = phase.get("end") or ("UPDATE_COMPLETE" if which == "update" else "CREATE_COMPLETE")
        told = [event for event in self.events(self.known(name) or self.last(name)) if event["ResourceStatus"].endswith("FAILED")]
        reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in told]
        says = phase.get("fails", {}).get("says", [])
        if status != expected or not all(any(word in reason for reason in reasons) for word in says):
            print(f"{name} {which}: {status}, and case.yaml has {expected} for {says}", *reasons, sep="\n  ")
        return self.replaced + self.lines(name, before, load(template))

    def run(self, name, template, deploy):
        """Runs one operation to its end; answers the events that were there before it."""
        body = template.read_bytes().decode("utf-8")
        if deploy.get("substitute"):
            body = body.replace("#{Octopus.Environment.Name}", "test")
        if "staging" in deploy:
            body = self.package(template, deploy["staging"])
        request = {"StackName": name, "Capabilities": deploy.get("capabilities", [])}
        if len(body.encode()) > 51_200:
            self.s3.put_object(Bucket=deploy["staging"]["bucket"], Key=f"{name}.template", Body=body.encode())
            request["TemplateURL"] = f"https://s3.{REGION}.amazonaws.com/{deploy['staging']['bucket']}/{name}.template"
        else:
            request["TemplateBody"] = body
        request["Parameters"] = [self.parameter(*each) for each in (deploy.get("parameters") or {}).items()]
        if "tags" in deploy:
            request["Tags"] = [{"Key": key, "Value": str(value)} for key, value in deploy["tags"].items()]
        status = self.status(name)
        if status in FIRST:
            self.replaced = self.delete(name)
        exists = status not in (None, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS", *FIRST)
        direct = deploy.get("change_set") == "direct"
        before = (self.direct if direct else self.change)(request, exists, deploy.get("on_failure"))
        self.settle(name)
        if deploy.get("termination_protection"):
            self.aws.update_termination_protection(StackName=name, EnableTerminationProtection=True)
        return before

    def direct(self, request, exists, on_failure):
        before = self.events(self.known(request["StackName"]))
        if exists:
            try:
                self.aws.update_stack(**request)
            except ClientError as error:
                if "No updates" not in str(error):
                    raise
        else:
            self.aws.create_stack(**request, **({"OnFailure": on_failure.upper().replace("-", "_")} if on_failure else {}))
        return before

    def change(self, request, exists, on_failure):
        name = request["StackName"]
        kind = {"ChangeSetName": f"recorded-{uuid.uuid4()}", "ChangeSetType": "UPDATE" if exists else "CREATE"}
        if on_failure:
            kind["OnStackFailure"] = on_failure.upper().replace("-", "_")
        made = self.aws.create_change_set(**request, **kind)
        while True:
            change_set = self.aws.describe_change_set(ChangeSetName=made["Id"])
            if change_set["Status"] in ("CREATE_COMPLETE", "FAILED"):
                break
            time.sleep(0.02)
        before = self.events(made["StackId"])
        if change_set["Status"] == "FAILED":
            self.aws.delete_change_set(ChangeSetName=made["Id"])
            reason = change_set.get("StatusReason", "")
            if not exists:
                self.aws.delete_stack(StackName=name)
            if "didn't contain changes" not in reason and "No updates" not in reason:
                raise RuntimeError(f"the change set failed: {reason}")
            return before
        self.aws.execute_change_set(ChangeSetName=made["Id"])
        return before

    def package(self, template, staging):
        bucket = staging["bucket"]
        try:
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        except ClientError:
            pass
        key = {"AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"]}
        where = {"AWS_ENDPOINT_URL": self.emulator.url, "AWS_DEFAULT_REGION": REGION}
        use = "--use-json" if template.suffix == ".json" else None
        command = [PARTS / "bin/aws", "cloudformation", "package", "--template-file", template, "--s3-bucket", bucket, use]
        environment = {**self.emulator.environment, **key, **where}
        packaged = subprocess.run(
            [each for each in command if each], env=environment, check=True, capture_output=True, text=True
        )
        return packaged.stdout

    def parameter(self, name, value):
        if isinstance(value, dict) and value.get("use_previous"):
            return {"ParameterKey": name, "UsePreviousValue": True}
        if isinstance(value, dict):
            value = value["value"]
        text = OUTPUT.sub(lambda found: self.output(found["step"], found["key"]), str(value))
        return {"ParameterKey": name, "ParameterValue": text}

    def output(self, step, key):
        outputs = self.aws.describe_stacks(StackName=step)["Stacks"][0]["Outputs"]
        return next(output["OutputValue"] for output in outputs if output["OutputKey"] == key)

    def delete(self, name, expected=None):
        stack = self.known(name)
        if stack is None:
            return []
        before = self.events(stack)
        try:
            self.aws.delete_stack(StackName=stack)
        except ClientError as error:
            if not expected:
                print(f"{name} delete: {error}")
            return []
        template = self.aws.get_template(StackName=stack)["TemplateBody"]
        self.settle(stack)
        status = self.status(stack)
        if status != (expected or "DELETE_COMPLETE"):
            print(f"{name} delete: {status}")
        return self.lines(name, before, parse(template) if isinstance(template, str) else template, stack)

    def known(self, name):
        try:
            return self.aws.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        except ClientError:
            return None

    def status(self, name):
        try:
            return self.aws.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        except ClientError:
            return None

    def settle(self, name):
        # A request of the emulator's returns before its operation has begun.
        quiet = 0
        while quiet < 3:
            status = self.status(name)
            quiet = 0 if status and status.endswith("IN_PROGRESS") else quiet + 1
            time.sleep(0.05)

    def events(self, stack):
        if stack is None:
            return []
        pages = self.aws.get_paginator("describe_stack_events").paginate(StackName=stack)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def lines(self, name, before, template, stack=None):
        known = {event["EventId"] for event in before}
        stack = stack or self.known(name) or (before and before[0]["StackId"]) or self.last(name)
        events = [event for event in self.events(stack) if event["EventId"] not in known]
        return self.told(events, template)

    def last(self, name):
        """The newest of the deleted stacks of that name."""
        pages = self.aws.get_paginator("list_stacks").paginate()
        return next((each["StackId"] for page in pages for each in page["StackSummaries"] if each["StackName"] == name), None)

    def told(self, events, template, indent="", parent=""):
        depends = dependencies(template)
        lines = []
        for place, event in enumerate(events):
            kind, logical, status = event["ResourceType"], event["LogicalResourceId"], event["ResourceStatus"]
            own = kind == STACK and event.get("PhysicalResourceId") == event["StackId"]
            if own and parent:
                # CloudFormation makes its name from its parent's, the resource's and a random part.
                logical = f"*-{parent}-*"
            after = [] if own else waits(status, logical, depends, events[:place])
            lines.append(f"{indent}{status}  {kind}  {logical}{'  after ' + ' '.join(after) if after else ''}\n")
            inner = event.get("PhysicalResourceId", "")
            if kind == STACK and not own and status.endswith("IN_PROGRESS"):
                # A nested stack's own events stand where its parent tells of it.
                inner = inner or next(
                    (e["PhysicalResourceId"] for e in events[place:] if e["LogicalResourceId"] == logical and e.get("PhysicalResourceId")), ""
                )
                lines += self.nested(inner, event, events[place + 1 :], indent)
        return lines

    def nested(self, stack, begun, later, indent):
        if not stack:
            # It failed, and the emulator does not tell its name then.
            return []
        done = next(event for event in later if event["LogicalResourceId"] == begun["LogicalResourceId"])
        inside = [e for e in self.events(stack) if begun["Timestamp"] <= e["Timestamp"] <= done["Timestamp"]]
        template = self.aws.get_template(StackName=stack)["TemplateBody"]
        template = parse(template) if isinstance(template, str) else template
        return self.told(inside, template, indent + "  ", begun["LogicalResourceId"])


def waits(status, logical, depends, earlier):
    """Whom a resource waits for: what it depends on, and when it is deleted, what depends on it."""
    if not status.endswith("_IN_PROGRESS"):
        return []
    seen = {event["LogicalResourceId"] for event in earlier}
    if status.startswith("DELETE"):
        gone = {e["LogicalResourceId"] for e in earlier if e["ResourceStatus"] in ("DELETE_COMPLETE", "DELETE_SKIPPED")}
        return sorted(each for each, on in depends.items() if logical in on and each in gone)
    return sorted(depends.get(logical, set()) & seen)


def load(path):
    return parse(path.read_text(encoding="utf-8"))


def parse(text):
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError:
        return {}


class Loader(yaml.SafeLoader):
    pass


def tagged(loader, tag, node):
    kinds = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: lambda n: loader.construct_sequence(n, deep=True)}
    value = kinds.get(type(node), lambda n: loader.construct_mapping(n, deep=True))(node)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", tagged)


def dependencies(template):
    """For each resource, those that it names, or that its DependsOn does."""
    resources = template.get("Resources") if isinstance(template, dict) else None
    resources = resources if isinstance(resources, dict) else {}
    return {name: named(resource) & set(resources) - {name} for name, resource in resources.items()}


def named(value):
    if isinstance(value, list):
        return set().union(*map(named, value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, inner in value.items():
        if key == "Ref":
            found.add(inner)
        elif key == "DependsOn":
            found |= set([inner] if isinstance(inner, str) else inner)
        elif key == "Fn::GetAtt":
            found.add(inner.split(".")[0] if isinstance(inner, str) else inner[0])
        elif key == "Fn::Sub":
            text = inner if isinstance(inner, str) else inner[0]
            found |= {each.split(".")[0] for each in re.findall(r"\$\{([^!}]+)\}", text)}
            found |= named(inner[1]) if isinstance(inner, list) else set()
        else:
            found |= named(inner)
    return found


def main():
    names = sys.argv[1:] or sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix="longshore-events-") as folder:
        emulator = Emulator(folder)
        try:
            for name in names:
                case = TEMPLATES / name
                (case / "events.txt").write_text(Recorder(emulator).record(case), encoding="utf-8")
        finally:
            emulator.process.terminate()
            emulator.process.wait()


main()
