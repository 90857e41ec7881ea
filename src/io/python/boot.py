# vpid keeps one of these for each Python that your scripts use, and forks a process from it for each script.
import sys

# What lies in the current folder must not stand in for what is imported here.
sys.path = [folder for folder in sys.path if folder]
if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or later is needed; %s is %s" % (sys.executable, sys.version.split()[0]))

import json, os, socket

control = socket.socket(fileno=0)
_, (sources,), _, _ = socket.recv_fds(control, 1, 1)
with open(sources, encoding="utf-8") as file:
    sources = json.load(file)
exec(compile(sources["vpid_interpreter"], "(vpid)/vpid_interpreter.py", "exec"))
exec(program_of_script(), vars(sys.modules["__main__"]))
