"""Runs a command and writes its seconds, peak memory in KiB and exit status: `python launch.py FILE COMMAND...`.

Linux counts in the peak memory of a process what it had before `exec`, as a copy of its parent. So a large process must
not start what it measures; this one, which imports nothing, does.
"""

import os
import sys
import time

start = time.perf_counter()
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - start
with open(sys.argv[1], "w", encoding="ascii") as file:  # noqa: PTH123 (pathlib would be an import)
    file.write(f"{seconds} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}")
