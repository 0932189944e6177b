"""What a Python step has before its own first line: the variables, and the functions that scripts know from Octopus."""

import base64 as __base64
import json as __json
import os as __os
import sys as __sys

__variables_file, __script_file, __step = __sys.argv[1:4]

# Lines leave when they are written, in order with what the functions below write.
for __stream in (__sys.stdout, __sys.stderr):
    __stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

with open(__variables_file, encoding="utf-8") as __file:
    octopusvariables = __json.load(__file)
__names = {name.lower(): name for name in octopusvariables}


def encode(value):
    return __base64.b64encode(str(value).encode("utf-8", "surrogateescape")).decode("ascii")


def decode(value):
    return __base64.b64decode(value).decode("utf-8")


def __send(kind, attributes):
    text = " ".join(f"{key}='{encode(value)}'" for key, value in attributes.items() if value is not None)
    message = f"##octopus[{kind} {text}]\n".encode()
    try:
        while message:
            message = message[__os.write(199, message) :]
    except OSError:
        __sys.stdout.flush()
        print(message.decode(), end="", flush=True)


def __write(level, message):
    print(f"##octopus[stdout-{level}]\n{message}\n##octopus[stdout-default]", flush=True)


def get_octopusvariable(key):
    name = key if key in octopusvariables else __names.get(key.lower())
    return "" if name is None else octopusvariables[name]


def set_octopusvariable(name, value, sensitive=False):
    value = "" if value is None else str(value)
    __send("setVariable", {"name": name, "value": value, "sensitive": "True" if sensitive else None})
    for known in (name, f"Octopus.Action[{__step}].Output.{name}"):
        existing = __names.setdefault(known.lower(), known)
        octopusvariables[existing] = value


def failstep(message=None):
    if message is not None:
        __send("resultMessage", {"message": message})
        print(message, file=__sys.stderr, flush=True)
    __sys.exit(1)


def printverbose(message):
    __write("verbose", message)


def printhighlight(message):
    __write("highlight", message)


def printwait(message):
    __write("wait", message)


def printwarning(message):
    __write("warning", message)


def updateprogress(progress, message=None):
    __send("progress", {"percentage": progress, "message": "" if message is None else message})


def createartifact(path, fileName=None):
    """Taken when the script has ended."""
    __send("createArtifact", {"path": __os.path.abspath(path), "name": fileName})


def __foreign(name):
    def left_out(*_, **__):
        __write("warning", f"{name} has no meaning in Longshore and was left out.")

    return left_out


new_octopusartifact = createartifact
fail_step, update_progress, fail_healthcheck = failstep, updateprogress, failstep
set_environmentstate, set_environmenturl = __foreign("set_environmentstate"), __foreign("set_environmenturl")
new_octopustarget, remove_octopustarget = __foreign("new_octopustarget"), __foreign("remove_octopustarget")
write_verbose, write_highlight, write_wait, write_warning = printverbose, printhighlight, printwait, printwarning


def __run():
    with open(__script_file, "rb") as file:
        source = file.read()
    __sys.argv[:] = [__script_file]
    # Files of the project are in the working folder; a script may import them.
    __sys.path[0] = __os.getcwd()
    globals()["__file__"] = __script_file
    try:
        exec(compile(source, __script_file, "exec"), globals())
    except SystemExit:
        raise
    except BaseException as error:
        import traceback

        # Begins where the script does: the frame above is this file's own.
        below = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(type(error), error, below)
        __sys.exit(1)


__run()
