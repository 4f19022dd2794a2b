"""Exchange a folder for a link and back, as fast as it goes: swap_for_a_link.py FOLDER TARGET."""

import itertools
import os
import sys
from contextlib import suppress

folder, target = sys.argv[1:]
link = f"{folder}.link"
os.symlink(target, link)
print("ready", flush=True)
for number in itertools.count():
    away = f"{folder}.{number}"
    for old, new in [(folder, away), (link, folder), (folder, link), (away, folder)]:
        with suppress(OSError):  # somebody has made the folder meanwhile
            os.rename(old, new)
