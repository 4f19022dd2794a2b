"""Exchange a folder for a link and back, as fast as it goes: swap_for_a_link.py FOLDER TARGET."""

import os
import sys

folder, target = sys.argv[1:]
away, link = f"{folder}.away", f"{folder}.link"
os.symlink(target, link)
print("ready", flush=True)
while True:
    os.rename(folder, away)
    os.rename(link, folder)
    os.rename(folder, link)
    os.rename(away, folder)
