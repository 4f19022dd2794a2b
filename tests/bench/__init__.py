"""How fast and how light the program is: every budget as a ratio, measured in interleaved rounds on the machine it runs on.

floor.py         the least that keeps files equal to a ConfigMap in Python: what propagation is measured against
minimal_init.py  the least that is an init in Python
bare_client.py   the least that reads one ConfigMap with the official client library
app.py           an app that stamps the moment at which it is told
orphans.py       an app that leaves many orphans, and times how long they stay

rows, table      a measured row: medians, spread, ratio, budget; how it is printed
rounds           contenders in random order, again and again
contenders       start one of the above, or the program, around an app; wait until the app was told
footprint        memory, processor time and wake-ups of a process, from /proc
cluster          a real API server, and PUTs with the moments at which they were sent and answered

propagation, start, rest, fleet, inits, child_logs   the rows
"""
